//! A network of queues on the bare engine: stations in series, fed from outside or by users who think.

use sim_core::{
    Agenda, Histogram, Level, Model, Sampler, SimTime, Simulation, Stream, StreamName, Streams,
    Tally, Unit,
};
use std::collections::{BTreeMap, VecDeque};

const ARRIVALS: StreamName = StreamName::new("arrivals");
const THINKING: StreamName = StreamName::new("thinking");
const SERVICE: StreamName = StreamName::new("service");

/// Where jobs come from.
pub(crate) enum Source {
    /// From outside, one after the other.
    Open(Sampler),
    /// From as many users, who each think, ask, wait for the answer, and think again.
    Closed(u32, Sampler),
}

/// What happens in the network.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// A job comes to the first station.
    Enter,
    /// A server has finished with its job.
    Done { station: u8, server: u8 },
}

/// A job under way.
#[derive(Clone, Copy)]
struct Job {
    entered: SimTime,
    reached: SimTime,
}

/// First come, first served.
struct Station {
    service: Sampler,
    stream: Stream,
    servers: Vec<Option<Job>>,
    queue: VecDeque<Job>,
    busy: Level,
    present: Level,
    sojourn: Tally,
    waited: u64,
}

/// Stations in series.
pub(crate) struct Network {
    source: Source,
    stream: Stream,
    stations: Vec<Station>,
    sojourn: Tally,
    quantiles: Histogram,
}

/// What one run says about each number, by its name.
pub(crate) type Readings = BTreeMap<String, f64>;

impl Network {
    /// A network whose stations have the given service and number of servers, ready to run.
    pub(crate) fn ready(
        source: Source,
        stations: &[(Sampler, u8)],
        streams: &Streams,
    ) -> Simulation<Self> {
        let stations = (0..).zip(stations).map(|(i, (service, servers))| Station {
            service: service.clone(),
            stream: streams.stream(SERVICE, i),
            servers: vec![None; usize::from(*servers)],
            queue: VecDeque::new(),
            busy: Level::new(SimTime::ZERO),
            present: Level::new(SimTime::ZERO),
            sojourn: Tally::new(),
            waited: 0,
        });
        let (first, stream) = match &source {
            Source::Open(_) => (1, streams.stream(ARRIVALS, 0)),
            Source::Closed(users, _) => (*users, streams.stream(THINKING, 0)),
        };
        let mut simulation = Simulation::new(Self {
            source,
            stream,
            stations: stations.collect(),
            sojourn: Tally::new(),
            quantiles: Histogram::new(),
        });
        for _ in 0..first {
            let gap = simulation.model_mut().gap();
            simulation.agenda().after(gap, Event::Enter);
        }
        simulation
    }

    /// Forgets what happened so far: the end of the warm-up.
    pub(crate) fn reset(&mut self, now: SimTime) {
        self.sojourn = Tally::new();
        self.quantiles = Histogram::new();
        for station in &mut self.stations {
            station.busy.reset(now);
            station.present.reset(now);
            station.sojourn = Tally::new();
            station.waited = 0;
        }
    }

    /// All numbers of the stretch from the reset to `now`.
    pub(crate) fn readings(&self, since: SimTime, now: SimTime) -> Readings {
        const SECOND: f64 = 1e9;
        let mean = |tally: &Tally| tally.mean().unwrap_or(f64::NAN) / SECOND;
        let mut readings = Readings::new();
        let mut note = |name: String, value: f64| readings.insert(name, value);
        let mut present = 0.0;
        for (i, station) in self.stations.iter().enumerate() {
            let in_station = station.present.mean(now).unwrap_or(f64::NAN);
            let busy = station.busy.mean(now).unwrap_or(f64::NAN);
            present += in_station;
            note(format!("mean_in_station[{i}]"), in_station);
            note(
                format!("utilisation[{i}]"),
                busy / station.servers.len() as f64,
            );
            note(
                format!("mean_sojourn_by_stage_s[{i}]"),
                mean(&station.sojourn),
            );
            note(
                format!("mean_sojourn_by_station_s[{i}]"),
                mean(&station.sojourn),
            );
            let waited = station.waited as f64 / station.sojourn.count() as f64;
            note(format!("probability_of_waiting[{i}]"), waited);
        }
        note("mean_in_system".into(), present);
        note("mean_sojourn_s".into(), mean(&self.sojourn));
        let deviation = self.sojourn.sample_variance().unwrap_or(f64::NAN).sqrt();
        note("sd_sojourn_s".into(), deviation / SECOND);
        let length = (now - since).as_secs_f64();
        note(
            "throughput_per_s".into(),
            self.sojourn.count() as f64 / length,
        );
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
            let quantile = self
                .quantiles
                .quantile(share)
                .map_or(f64::NAN, |nanos| nanos as f64);
            note(format!("sojourn_s.{name}"), quantile / SECOND);
        }
        readings
    }

    fn gap(&mut self) -> sim_core::SimDuration {
        let unit: Unit = self.stream.unit();
        let (Source::Open(gap) | Source::Closed(_, gap)) = &self.source;
        gap.sample(unit)
    }

    fn reach(&mut self, station: u8, entered: SimTime, agenda: &mut Agenda<'_, Event>) {
        let job = Job {
            entered,
            reached: agenda.now(),
        };
        let at = &mut self.stations[usize::from(station)];
        at.present.rise(agenda.now(), 1);
        match at.servers.iter().position(Option::is_none) {
            Some(server) => {
                at.busy.rise(agenda.now(), 1);
                at.serve(job, station, server as u8, agenda);
            }
            None => {
                at.waited += 1;
                at.queue.push_back(job);
            }
        }
    }

    fn leave(&mut self, entered: SimTime, agenda: &mut Agenda<'_, Event>) {
        let sojourn = (agenda.now() - entered).as_nanos();
        self.sojourn.add(sojourn);
        self.quantiles.add(sojourn);
        if let Source::Closed(..) = self.source {
            let think = self.gap();
            agenda.after(think, Event::Enter);
        }
    }
}

impl Station {
    fn serve(&mut self, job: Job, station: u8, server: u8, agenda: &mut Agenda<'_, Event>) {
        self.servers[usize::from(server)] = Some(job);
        let service = self.service.sample(self.stream.unit());
        agenda.after(service, Event::Done { station, server });
    }

    fn done(&mut self, station: u8, server: u8, agenda: &mut Agenda<'_, Event>) -> Job {
        let job = self.servers[usize::from(server)]
            .take()
            .expect("a server who is done had a job");
        self.present.fall(agenda.now(), 1);
        self.sojourn.add((agenda.now() - job.reached).as_nanos());
        match self.queue.pop_front() {
            Some(next) => self.serve(next, station, server, agenda),
            None => self.busy.fall(agenda.now(), 1),
        }
        job
    }
}

impl Model for Network {
    type Event = Event;

    fn handle(&mut self, event: Event, agenda: &mut Agenda<'_, Event>) {
        match event {
            Event::Enter => {
                if let Source::Open(_) = self.source {
                    let gap = self.gap();
                    agenda.after(gap, Event::Enter);
                }
                self.reach(0, agenda.now(), agenda);
            }
            Event::Done { station, server } => {
                let job = self.stations[usize::from(station)].done(station, server, agenda);
                if usize::from(station) + 1 < self.stations.len() {
                    self.reach(station + 1, job.entered, agenda);
                } else {
                    self.leave(job.entered, agenda);
                }
            }
        }
    }

    fn digest(event: &Event) -> u64 {
        match *event {
            Event::Enter => 0,
            Event::Done { station, server } => 1 + u64::from(station) * 256 + u64::from(server),
        }
    }

    fn kind(event: &Event) -> &'static str {
        match event {
            Event::Enter => "enter",
            Event::Done { .. } => "done",
        }
    }
}
