use super::*;

const REQUEST: i64 = 1_000;

fn at(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

fn seconds(seconds: u64) -> SimDuration {
    SimDuration::from_secs(seconds)
}

fn target(percent: u32) -> Config {
    Config {
        cpu_utilization: number(percent),
        ..Config::up_to(number(100))
    }
}

/// A pod that has been ready for long and uses so many percent of its request.
fn ready(percent: i64) -> Sight {
    Sight {
        is_pending: false,
        is_ready: true,
        started: None,
        changed: None,
        sample: Some(Sample {
            millis: percent * REQUEST / 100,
            at: at(1_000),
            window: seconds(15),
        }),
    }
}

fn missing() -> Sight {
    Sight {
        sample: None,
        ..ready(0)
    }
}

fn pending() -> Sight {
    Sight {
        is_pending: true,
        is_ready: false,
        ..missing()
    }
}

#[test]
fn replicas_follow_the_ratio_of_usage_to_target() {
    // Source: Kubernetes 1.34 `replica_calculator.go`. Rows: target, pods, wanted replicas; as many are there as pods are shown.
    let of = |sight: Sight, times: usize| vec![sight; times];
    let with = |pods: Vec<Sight>, more: Vec<Sight>| [pods, more].concat();
    let rows: Vec<(u32, Vec<Sight>, u32)> = vec![
        // 80 % of 50 %: ratio 1.6, 16 for 10.
        (50, of(ready(80), 10), 16),
        // 30 % of 60 %: ratio 0.5.
        (60, of(ready(30), 10), 5),
        // 85 % of 80 %: 1.0625 is close enough; 72 % is 0.9, and still is; 71 % is not: ceil(0.8875 x 10) = 9.
        (80, of(ready(85), 10), 10),
        (80, of(ready(72), 10), 10),
        (80, of(ready(71), 10), 9),
        // Percent are whole: nine pods at 88 % and one at 97 % are 88.9 %, which is 88 %, ratio 1.1.
        (80, with(of(ready(88), 9), of(ready(97), 1)), 10),
        // One that is not ready counts as idle on the way up: 3 x 100 % of 50 % is 2, with it 75 % is 1.5, times 4.
        (50, with(of(ready(100), 3), of(pending(), 1)), 6),
        // One without metrics as well.
        (50, with(of(ready(100), 3), of(missing(), 1)), 6),
        // On the way down it counts as fully busy: 3 x 20 % of 50 % is 0.4, with it 40 % is 0.8, times 4 is 3.2.
        (50, with(of(ready(20), 3), of(missing(), 1)), 4),
        // One that is not ready is left out on the way down: 0.4 times 3 is 1.2.
        (50, with(of(ready(20), 3), of(pending(), 1)), 2),
        // 60 % of 50 % is up, with three idle ones 15 % is down: nothing happens.
        (50, with(of(ready(60), 1), of(missing(), 3)), 4),
    ];
    for (percent, pods, wanted) in rows {
        let current = pods.len() as u32;
        let found = recommend(&pods, current, REQUEST, &target(percent), at(1_000));
        let found = found.map(|it| it.replicas);
        assert_eq!(found, Some(wanted), "target {percent}, {pods:?}");
    }
    assert_eq!(
        recommend(&[pending(), missing()], 2, REQUEST, &target(50), at(0)),
        None
    );
}

#[test]
fn pods_count_when_they_are_ready_and_measured() {
    // Source: Kubernetes 1.34 `replica_calculator.go`, `groupPods`. Within 300 s of its start a pod counts when it is ready and a window of
    // 15 s has passed since; after that, unless it has never been ready since its first 30 s.
    // Rows: started, Ready changed, sample taken, now, ready, what becomes of it.
    let rows = [
        (100, 110, 120, 130, true, Group::Unready),
        (100, 110, 125, 130, true, Group::Counted),
        (100, 110, 125, 130, false, Group::Unready),
        (100, 399, 390, 400, true, Group::Counted),
        (100, 129, 390, 400, false, Group::Unready),
        (100, 130, 390, 400, false, Group::Counted),
    ];
    for (started, changed, sampled, now, is_ready, expected) in rows {
        let sight = Sight {
            is_pending: false,
            is_ready,
            started: Some(at(started)),
            changed: Some(at(changed)),
            sample: Some(Sample {
                millis: 0,
                at: at(sampled),
                window: seconds(15),
            }),
        };
        assert_eq!(group(&sight, &target(50), at(now)), expected, "{sight:?}");
    }
    assert_eq!(group(&pending(), &target(50), at(0)), Group::Unready);
    assert_eq!(group(&missing(), &target(50), at(0)), Group::Missing);
}

/// What becomes of recommendations: (seconds, recommended) one after the other, each from where the one before led.
fn path(config: &Config, from: u32, recommended: &[(u64, u32)]) -> Vec<u32> {
    let (mut memory, mut current) = (Memory::default(), from);
    let step = |&(at_second, wanted): &(u64, u32)| {
        current = memory.decide(config, current, wanted, at(at_second));
        current
    };
    recommended.iter().map(step).collect()
}

#[test]
fn without_behavior_it_doubles_and_waits_for_five_minutes() {
    // Source: Kubernetes 1.34 `horizontal.go`: up to max(2 x current, 4) at once; down to the highest recommendation of 300 s.
    let config = target(50);
    assert_eq!(path(&config, 1, &[(0, 50), (15, 50), (30, 50)]), [4, 8, 16]);
    let down = [
        (0, 10),
        (15, 2),
        (285, 3),
        (300, 2),
        (301, 2),
        (316, 2),
        (602, 2),
    ];
    assert_eq!(path(&config, 10, &down), [10, 10, 10, 10, 3, 3, 2]);
}

#[test]
fn limits_hold_at_once() {
    let config = Config {
        min_replicas: number(3),
        ..Config::up_to(number(6))
    };
    assert_eq!(path(&config, 1, &[(0, 1)]), [3]);
    assert_eq!(path(&config, 9, &[(0, 9)]), [6]);
    assert_eq!(path(&config, 4, &[(0, 50), (400, 1)]), [6, 3]);
}

fn behaving(scale_up: Rules, scale_down: Rules) -> Config {
    Config {
        behavior: Some(Behavior {
            scale_up,
            scale_down,
        }),
        ..target(50)
    }
}

#[test]
fn the_default_behavior_adds_four_pods_or_doubles() {
    // Source: Kubernetes API autoscaling/v2: the greater of 4 pods and 100 % in 15 s. 1 -> 5 -> 10 -> 20; 10 s later nothing more may be
    // added: 20 less the 10 of this period is 10, and twice that is 20.
    let config = behaving(Rules::default(), Rules::default());
    let up = [(0, 50), (15, 50), (30, 50), (40, 50), (45, 50)];
    assert_eq!(path(&config, 1, &up), [5, 10, 20, 20, 40]);
    // Down: the highest of the last 300 s; what is exactly 300 s old no longer counts.
    let down = [(0, 10), (15, 2), (300, 2)];
    assert_eq!(path(&config, 10, &down), [10, 10, 2]);
}

#[test]
fn policies_keep_the_pace() {
    let pods = |value, period| Policy::Pods {
        value: number(value),
        period: seconds(period),
    };
    let percent = |value, period| Policy::Percent {
        value: number(value),
        period: seconds(period),
    };
    let rules = |policies: &[Policy], select_policy| Rules {
        stabilization_window: Some(seconds(0)),
        select_policy,
        policies: policies.to_vec(),
        tolerance: None,
    };
    // One pod a minute on the way down: 10 -> 9 at 0 s, again at 60 s and 120 s.
    let slow = rules(&[pods(1, 60)], SelectPolicy::Max);
    let config = behaving(Rules::default(), slow);
    let down = [(0, 2), (30, 2), (60, 2), (90, 2), (120, 2)];
    assert_eq!(path(&config, 10, &down), [9, 9, 8, 8, 7]);
    // 10 % of 15 up is 1.5, rounded up to 17; the less of that and 4 pods.
    let least = rules(&[pods(4, 15), percent(10, 15)], SelectPolicy::Min);
    let config = behaving(least, Rules::default());
    assert_eq!(path(&config, 15, &[(0, 50)]), [17]);
    // 10 % of 15 down leaves 13.5, cut to 13.
    let config = behaving(
        Rules::default(),
        rules(&[percent(10, 15)], SelectPolicy::Max),
    );
    assert_eq!(path(&config, 15, &[(0, 1)]), [13]);
    // No way down at all.
    let config = behaving(Rules::default(), rules(&[], SelectPolicy::Disabled));
    assert_eq!(path(&config, 15, &[(0, 1), (900, 1)]), [15, 15]);
}

#[test]
fn a_window_upwards_waits_for_the_lowest_recommendation() {
    // Of the last 60 s the lowest counts: the peak at 15 s is not followed, the plateau from 30 s on at 75 s, when 15 s is its oldest.
    let slow = Rules {
        stabilization_window: Some(seconds(60)),
        ..Rules::default()
    };
    let config = behaving(slow, Rules::default());
    let looks = [(0, 4), (15, 8), (30, 6), (45, 6), (60, 6), (75, 7)];
    assert_eq!(path(&config, 4, &looks), [4, 4, 4, 4, 6, 6]);
}
