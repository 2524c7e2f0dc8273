//! Shares of requests in the windows between events: those that failed, and those that the broken pod answered.

use serde::Deserialize;
use serde_json::Value;
use sim_models::id::PodId;

use super::faults::{Course, Kind, Log, Victim, simulate};
use super::judge::Comparisons;
use super::observed::SEEDS;

/// Slack of error shares without reuse, beside four standard errors.
const SHARE: f64 = 0.01;
/// How far the simulated median may lie outside the recorded runs, with reuse.
const MEDIAN: f64 = 0.1;

/// A part of the run, by the time at which requests were sent.
struct Window {
    name: &'static str,
    from: f64,
    to: f64,
}

/// Requests of a window, and how many of them had a fate.
#[derive(Clone, Copy, Default)]
struct Count {
    all: f64,
    those: f64,
}

impl Count {
    fn share(self) -> f64 {
        self.those / f64::max(self.all, 1.0)
    }
}

/// A figure of each recorded and each simulated run.
struct Figure {
    name: String,
    recorded: Vec<f64>,
    simulated: Vec<f64>,
}

/// What a recorded run counted in equal bins, by the time at which requests were sent.
#[derive(Deserialize)]
struct Bins {
    width_s: f64,
    requests: Vec<f64>,
    errors: Vec<f64>,
}

/// The windows of a course: before the first event, between first and last, after the last, and after the last plus one response
/// time-out.
fn windows(course: &Course, jitter: f64) -> Vec<Window> {
    let events = &course.events;
    let (first, last) = (events[0].at(jitter), events[events.len() - 1].at(jitter));
    let end = course.config.load.duration_s;
    let window = |name, from, to| Window { name, from, to };
    let quiet = last + course.config.lb.read_timeout_s;
    if events.len() == 1 {
        return vec![
            window("before", 0.0, first),
            window("after", last, end),
            window("later", quiet, end),
        ];
    }
    vec![
        window("before_fault", 0.0, first),
        window("fault_to_removal", first, last),
        window("after_removal", last, end),
        window("later", quiet, end),
    ]
}

/// The shares of all windows, recorded and simulated.
fn figures(course: &Course, runs: &Value) -> Result<Vec<Figure>, String> {
    if !matches!(course.events.len(), 1 | 2) {
        return Err("more than a fault and a removal".into());
    }
    let runs = runs.as_array().ok_or("there are no runs")?;
    let logs = simulate(course, SEEDS);
    let mut figures = Vec::new();
    for (index, Window { name, .. }) in windows(course, 0.0).iter().enumerate() {
        let errors = |run: &Value| recorded(course, run, name, "errors");
        let Ok(recorded) = runs.iter().map(errors).collect::<Result<Vec<_>, _>>() else {
            return Err(format!("no requests of the window {name}"));
        };
        let failed = |log: &Log| {
            let window = &windows(course, log.jitter)[index];
            log.count(window, |it| it.failed).share()
        };
        figures.push(Figure {
            name: format!("error share {name}"),
            recorded,
            simulated: logs.iter().map(failed).collect(),
        });
    }
    Ok(figures
        .into_iter()
        .chain(faulty(course, runs, &logs))
        .collect())
}

/// The share of the pod that breaks, where a pod does and the recording counts it.
fn faulty(course: &Course, runs: &[Value], logs: &[Log]) -> Vec<Figure> {
    if course.events[0].kind != Kind::PodFault {
        return Vec::new();
    }
    let mut figures = Vec::new();
    for (index, Window { name, .. }) in windows(course, 0.0).iter().enumerate() {
        let answered = |run: &Value| recorded(course, run, name, "answered_by_faulty_pod");
        let Ok(recorded) = runs.iter().map(answered).collect() else {
            continue;
        };
        let answers = |log: &Log| {
            let window = &windows(course, log.jitter)[index];
            let pod = victim(course, log);
            log.count(window, |it| it.answered_by == pod).share()
        };
        figures.push(Figure {
            name: format!("share of the broken pod {name}"),
            recorded,
            simulated: logs.iter().map(answers).collect(),
        });
    }
    figures
}

fn victim(course: &Course, log: &Log) -> Option<PodId> {
    match course.events[0].pod {
        Victim::Numbered(number) => Some(PodId(number)),
        Victim::Busiest => log.chosen,
    }
}

/// A recorded share of the requests of a window.
fn recorded(course: &Course, run: &Value, window: &str, fate: &str) -> Result<f64, String> {
    if window == "later" {
        return later(course, run, fate);
    }
    let phase = &run["phases"][window];
    let number = |key: &str| {
        phase[key]
            .as_f64()
            .ok_or_else(|| format!("no {key} in {window}"))
    };
    Ok(number(fate)? / number("requests")?.max(1.0))
}

/// The recorded share after the last event plus one response time-out, from the bins that begin after it.
fn later(course: &Course, run: &Value, fate: &str) -> Result<f64, String> {
    if fate != "errors" {
        return Err("only errors are compared so late".into());
    }
    let bins = Bins::deserialize(&run["bins"]).map_err(|why| format!("bins: {why}"))?;
    let events = run["events"].as_array().and_then(|it| it.last());
    let removed = events
        .and_then(|it| it["start_s"].as_f64())
        .ok_or("no time of the last event")?;
    let from = removed + course.config.lb.read_timeout_s;
    let skipped = (from / bins.width_s).ceil() as usize;
    let sum = |counts: &[f64]| counts.iter().skip(skipped).sum::<f64>();
    let (errors, all) = (sum(&bins.errors), sum(&bins.requests));
    Ok(errors / all.max(1.0))
}

impl Log {
    /// Requests sent in a window, and how many of them had a fate.
    fn count(&self, window: &Window, fate: impl Fn(&super::faults::Sent) -> bool) -> Count {
        let sent = self.requests.iter();
        let sent = sent.filter(|it| it.at >= window.from && it.at < window.to);
        sent.fold(Count::default(), |count, it| Count {
            all: count.all + 1.0,
            those: count.those + f64::from(u8::from(fate(it))),
        })
    }
}

/// Judges a fault or a removal where each request has a connection of its own: mean error shares.
pub(super) fn without_reuse(course: &Course, runs: &Value) -> Result<Comparisons, String> {
    let figures = figures(course, runs)?;
    let note = note(&figures);
    let errors = figures
        .into_iter()
        .filter(|it| it.name.starts_with("error"));
    let compared =
        errors.map(|it| Comparisons::of_means(it.name, &it.recorded, &it.simulated, SHARE));
    Ok(Comparisons::figures(compared.collect::<Vec<_>>(), note))
}

/// Judges a fault or a removal under nginx's pool, where each run has a fate of its own: all recorded runs but one lie between the
/// simulated 1 % and 99 % quantiles, and the simulated median lies within the recorded runs, give or take.
pub(super) fn with_reuse(course: &Course, runs: &Value) -> Result<Comparisons, String> {
    let figures = figures(course, runs)?;
    let note = note(&figures);
    let compared = figures.into_iter().flat_map(|it| {
        let (low, high) = (quantile(&it.simulated, 0.01), quantile(&it.simulated, 0.99));
        let outside = it
            .recorded
            .iter()
            .filter(|&&share| share < low || share > high);
        let outside = outside.count() as f64;
        let median = quantile(&it.simulated, 0.5);
        let least = it.recorded.iter().copied().fold(f64::MAX, f64::min);
        let most = it.recorded.iter().copied().fold(f64::MIN, f64::max);
        let nearest = median.clamp(least, most);
        [
            (
                format!("{}: runs outside {low:.3} to {high:.3}", it.name),
                outside,
                0.0,
                1.0,
            ),
            (format!("{}: median", it.name), nearest, median, MEDIAN),
        ]
    });
    Ok(Comparisons::figures(compared.collect::<Vec<_>>(), note))
}

/// The main figures of both, one beside the other, where no rule decides.
pub(super) fn beside(course: &Course, runs: &Value) -> String {
    figures(course, runs).map_or_else(|why| why, |figures| note(&figures))
}

fn note(figures: &[Figure]) -> String {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let pairs = figures.iter().map(|it| {
        let (recorded, simulated) = (mean(&it.recorded), mean(&it.simulated));
        format!("{} {recorded:.3} / {simulated:.3}", it.name)
    });
    format!(
        "recorded / simulated: {}",
        pairs.collect::<Vec<_>>().join(", ")
    )
}

/// The quantile of a sample: the smallest value that so great a share of it does not exceed.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted[at.saturating_sub(1)]
}
