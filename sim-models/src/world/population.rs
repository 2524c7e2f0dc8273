//! Clients at work: when the next request is born, from which address, on which connection.

use sim_core::{Agenda, Block, Blocks, Dist, DistError, Sampler, SimDuration, SimTime, Streams};

use super::blueprint::{Blueprint, Population};
use super::build::World;
use super::event::{Event, UserId};
use super::front::Front;
use crate::id::{CallId, PopulationId, ServiceId, TargetGroupId};
use crate::observe::{Observation, Recorder};
use crate::quantity::Size;
use crate::request::client::streams;
use crate::request::client::{ArrivalClock, Arrivals, Connection, InParallel, Reuse};
use crate::request::node_port::SeenAtPod;
use crate::request::protocol::Protocol;
use crate::request::stickiness::Jar;
use crate::request::wire::Message;
use crate::request::{Asker, Hop, Outcome, Request, dns, overlay, retry, word};
use crate::streams::{REQUESTS, RETRIES};

mod connections;

use connections::{Address, Outside};

/// A population during a run.
#[derive(Debug)]
pub(super) struct State {
    blocks: Blocks,
    /// The random words of the next request, where arrivals are open loop.
    next: Block,
    /// Requests born so far.
    born: u64,
    /// When the population begins.
    start: SimTime,
    /// No request is born from here on.
    stop: SimTime,
    /// No request beyond this many.
    limit: u64,
    pace: Pace,
    rtt: Sampler,
    protocol: Protocol,
    reuse: Reuse,
    /// The load balancer ends a connection after so many requests.
    request_cap: u64,
    limits: streams::Limits,
    dns: dns::Config,
    dns_ttl: SimDuration,
    /// When each address asked DNS last; empty where the answer is always the same.
    asked: Vec<Option<SimTime>>,
    /// A client gives up a connection attempt after this long.
    connect_timeout: SimDuration,
    /// A client gives up after this long.
    timeout: Option<SimDuration>,
    retries: retry::Config,
    budget: retry::Budget,
    classes: Vec<Class>,
    addresses: Vec<Address>,
    /// The shared connections of each address; empty where nobody speaks HTTP/2.
    streams: Vec<streams::Streams>,
    first_address: u64,
    /// The cookies of each client: of each user of a closed loop, else of each address. Empty where nobody sets any, and
    /// for curl, which keeps none.
    jars: Vec<Jar>,
    /// The first user of a closed loop.
    first_user: u32,
}

/// When requests start.
#[derive(Debug)]
enum Pace {
    /// By a clock, whatever becomes of the requests before.
    Open(ArrivalClock),
    /// After an answer, and a time to think.
    Closed {
        think: Sampler,
        users: std::ops::Range<u32>,
    },
}

/// One kind of request: where it goes and how much work it is.
#[derive(Debug)]
struct Class {
    /// Share of this class and all before it, in units of 2^-32.
    up_to: u64,
    /// The priority of the rule that matches it; 0 for the default action.
    rule: u32,
    goal: Option<(TargetGroupId, ServiceId)>,
    demand: Option<Sampler>,
    /// Packets of such a request.
    packets: u64,
}

/// What a client asks for, apart from how often it has to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    population: PopulationId,
    serial: u64,
    attempt: u8,
    class: u32,
    address: u32,
    goal: Option<(TargetGroupId, ServiceId)>,
    demand: SimDuration,
    asked: SimTime,
    user: Option<UserId>,
}

impl Call {
    /// The attempt after this request.
    pub(super) fn again(request: &Request) -> Self {
        Self {
            population: request.population,
            serial: request.serial,
            attempt: request.attempt + 1,
            class: request.class,
            address: request.address,
            goal: request.target_group.zip(request.service),
            demand: request.demand,
            asked: request.asked,
            user: request.user,
        }
    }

    #[inline]
    fn request(
        &self,
        draws: &Block,
        now: SimTime,
        client_connection: Connection,
        client_one_way: SimDuration,
    ) -> Request {
        let mut stamps = [SimTime::ZERO; Hop::COUNT];
        stamps[Hop::Client as usize] = now;
        Request {
            population: self.population,
            serial: self.serial,
            attempt: self.attempt,
            class: self.class,
            address: self.address,
            target_group: self.goal.map(|(group, _)| group),
            service: self.goal.map(|(_, service)| service),
            load_balancer_node: client_connection.load_balancer_node,
            target: None,
            node: None,
            pod: None,
            connection: None,
            connected: SimTime::ZERO,
            seen_at_pod: SeenAtPod::LoadBalancerNode,
            reused: false,
            second_hop: false,
            cross_zone: false,
            attempts: 0,
            retargeted: 0,
            demand: self.demand,
            asked: self.asked,
            retried: false,
            stamps,
            outcome: Outcome::Ok,
            draws: *draws,
            client_one_way,
            client_connection,
            user: self.user,
            finished: false,
            abandoned: false,
            asker: Asker::Client,
        }
    }
}

impl State {
    /// A population before its first request. `users` are its closed-loop users, if it has any.
    pub(super) fn new(
        blueprint: &Blueprint,
        id: PopulationId,
        streams: &Streams,
        first_address: u64,
        users: std::ops::Range<u32>,
    ) -> Result<Self, DistError> {
        let Population {
            config, classes, ..
        } = &blueprint.populations[id];
        let first_user = users.start;
        let sets_cookies = blueprint
            .target_groups
            .iter()
            .any(|group| group.stickiness.is_some());
        let jars = match config.arrivals {
            _ if !sets_cookies => 0,
            Arrivals::CurlLoop { .. } => 0,
            Arrivals::Closed { .. } => users.len(),
            _ => config.addresses.get() as usize,
        };
        let mut blocks = streams.blocks(REQUESTS, u64::from(id.0));
        let pace = Pace::new(&config.arrivals, users)?;
        let load_balancer = &blueprint.load_balancer;
        let (reuse, most) = match config.arrivals {
            Arrivals::CurlLoop { requests, .. } => (Reuse::Never, requests),
            _ => (config.connection.reuse, u64::MAX),
        };
        Ok(Self {
            next: blocks.draw(),
            blocks,
            born: 0,
            start: SimTime::ZERO + config.start,
            stop: config
                .stop
                .map_or(SimTime::MAX, |stop| SimTime::ZERO + stop),
            limit: config.stop_after.unwrap_or(u64::MAX).min(most),
            pace,
            rtt: config.rtt.sampler()?,
            protocol: config.protocol,
            reuse,
            request_cap: load_balancer.http2.request_cap.get(),
            limits: streams::Limits {
                max_streams: load_balancer.http2.max_streams.get(),
                idle_timeout: config
                    .connection
                    .idle_timeout
                    .min(load_balancer.idle_timeout),
                max_age: config.connection.max_age.unwrap_or(SimDuration::MAX),
                keep_alive: load_balancer.client_keep_alive,
            },
            dns: config.dns,
            dns_ttl: load_balancer.dns_ttl,
            asked: if Front::is_needed(blueprint) {
                vec![None; config.addresses.get() as usize]
            } else {
                Vec::new()
            },
            connect_timeout: config.connect_timeout,
            timeout: config.timeout,
            retries: config.retries,
            budget: retry::Budget::new(&config.retries),
            classes: cumulate(blueprint, classes)?,
            addresses: (0..config.addresses.get())
                .map(|_| Address::default())
                .collect(),
            streams: if config.protocol.multiplexes() {
                let addresses = 0..config.addresses.get();
                addresses.map(|_| streams::Streams::default()).collect()
            } else {
                Vec::new()
            },
            first_address,
            jars: vec![Jar::default(); jars],
            first_user,
        })
    }

    /// The first events of the population.
    pub(super) fn first_events(
        &mut self,
        id: PopulationId,
        streams: &Streams,
    ) -> Vec<(SimTime, Event)> {
        if let Pace::Closed { think, users } = &self.pace {
            let first = |user: u32| {
                let draws = streams.block(REQUESTS, closed_entity(user), 0);
                let at = self.start + think.sample(draws.unit(word::GAP));
                (at, Event::Ask(UserId(user)))
            };
            return users.clone().map(first).collect();
        }
        let first = self.next_instant();
        first
            .map(|at| (at, Event::Arrive(id)))
            .into_iter()
            .collect()
    }

    /// The instant of the request that [`State::next`] belongs to; `None` when there is none.
    #[inline]
    fn next_instant(&mut self) -> Option<SimTime> {
        match &mut self.pace {
            Pace::Open(clock) => clock
                .next(self.next.unit(word::GAP))
                .map(|at| self.start + at),
            Pace::Closed { .. } => None,
        }
    }

    /// Whether another request may be born at `now`.
    #[inline]
    fn goes_on(&self, now: SimTime) -> bool {
        self.born < self.limit && now < self.stop
    }

    /// When the client of a request that was born at `born` gives up; the end of time where it never does.
    #[inline]
    pub(super) fn deadline(&self, born: SimTime) -> SimTime {
        let deadline = self.timeout.and_then(|timeout| born.checked_add(timeout));
        deadline.unwrap_or(SimTime::MAX)
    }

    /// How long a client waits for a connection.
    pub(super) fn connect_timeout(&self) -> SimDuration {
        self.connect_timeout
    }

    /// Whether a client tries again after an attempt that failed; if so, the budget has paid for it.
    pub(super) fn pays_for_retry(&mut self, attempt: u8) -> bool {
        attempt < self.retries.at_most && self.budget.pay()
    }

    /// What the clients speak.
    #[inline]
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The cookies of whoever asks.
    pub(super) fn jar(&self, request: &Request) -> Option<&Jar> {
        self.jars.get(self.jar_of(request))
    }

    /// The cookies of whoever asks, to change.
    pub(super) fn jar_mut(&mut self, request: &Request) -> Option<&mut Jar> {
        let jar = self.jar_of(request);
        self.jars.get_mut(jar)
    }

    fn jar_of(&self, request: &Request) -> usize {
        match request.user {
            Some(UserId(user)) => (user - self.first_user) as usize,
            None => request.address as usize,
        }
    }

    /// The rule that matches a request, with a uniform share for its choice: what the draw of the class leaves open. `None` where none
    /// matches.
    pub(super) fn matched(&self, request: &Request) -> Option<(u32, f64)> {
        let at = request.class as usize;
        let Class {
            up_to, rule, goal, ..
        } = &self.classes[at];
        goal.as_ref()?;
        let from = at
            .checked_sub(1)
            .map_or(0, |before| self.classes[before].up_to);
        let draw = u64::from(request.draws.word(word::CLASS));
        // A retry has a draw of its own, which says nothing about its class.
        let (from, up_to) = if (from..*up_to).contains(&draw) {
            (from, *up_to)
        } else {
            (0, 1 << 32)
        };
        Some((*rule, (draw - from) as f64 / (up_to - from) as f64))
    }

    /// The client of a request will know at `at` that nobody is at the other end of its connection, and uses it no more from then on.
    /// Returns when it will know. `repeats` where it sends the request again and again.
    pub(super) fn will_know(
        &mut self,
        request: &mut Request,
        at: SimTime,
        repeats: bool,
    ) -> SimTime {
        request.client_connection.remaining = 0;
        if !self.protocol.multiplexes() {
            return at;
        }
        let streams = &mut self.streams[request.address as usize];
        streams.dies(request.client_connection.number, at, repeats)
    }

    /// The packets of a request.
    pub(super) fn packets(&self, request: &Request) -> u64 {
        self.classes[request.class as usize].packets
    }

    fn class(&self, draw: u32) -> u32 {
        let at = self
            .classes
            .iter()
            .position(|class| u64::from(draw) < class.up_to);
        at.expect("the classes cover all draws") as u32
    }
}

impl Pace {
    fn new(arrivals: &Arrivals, users: std::ops::Range<u32>) -> Result<Self, DistError> {
        if let Some(clock) = ArrivalClock::new(arrivals)? {
            return Ok(Self::Open(clock));
        }
        let think = match arrivals {
            Arrivals::Closed { think, .. } => think.sampler()?,
            _ => Dist::constant(SimDuration::ZERO).sampler()?,
        };
        Ok(Self::Closed { think, users })
    }
}

/// How many closed-loop users a population has.
pub(super) fn users(arrivals: &Arrivals) -> u32 {
    match *arrivals {
        Arrivals::Closed { users, .. } => users.get(),
        Arrivals::CurlLoop {
            in_parallel: InParallel::AtMost(many),
            requests,
        } => u32::try_from(requests).map_or(many.get(), |requests| many.get().min(requests)),
        _ => 0,
    }
}

/// The stream of a closed-loop user: apart from those of the populations.
fn closed_entity(user: u32) -> u64 {
    (1 << 32) | u64::from(user)
}

/// A request of so many bytes as the overlay, if any, carries it.
fn question(bytes: Size, blueprint: &Blueprint) -> Message {
    let header = overlay::header_bytes(blueprint.network);
    Message::new(bytes.as_bytes(), blueprint.links.mtu, header)
}

/// Weights to cumulated shares of 2^32; the last class takes what rounding leaves.
fn cumulate(
    blueprint: &Blueprint,
    classes: &[super::blueprint::RequestClass],
) -> Result<Vec<Class>, DistError> {
    let total: f64 = classes.iter().map(|class| class.weight).sum();
    let mut sum = 0.0;
    let mut cumulated = Vec::with_capacity(classes.len());
    for class in classes {
        sum += class.weight;
        let goal = class
            .target_group
            .map(|group| (group, blueprint.target_groups[group].service));
        let demand = goal.map(|(_, service)| {
            let deployment = blueprint.services[service].selects;
            let of_server = &blueprint.deployments[deployment].server.service_time;
            class.demand.as_ref().unwrap_or(of_server).sampler()
        });
        cumulated.push(Class {
            up_to: (sum / total * 4_294_967_296.0) as u64,
            rule: class.rule,
            goal,
            demand: demand.transpose()?,
            packets: question(class.bytes, blueprint).packets,
        });
    }
    if let Some(last) = cumulated.last_mut() {
        last.up_to = 1 << 32;
    }
    Ok(cumulated)
}

impl<R: Recorder> World<R> {
    /// The next request of an open-loop population is born, and the one after it planned.
    pub(super) fn on_arrival(&mut self, id: PopulationId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let population = &mut self.populations[id];
        if !population.goes_on(now) {
            return;
        }
        let draws = population.next;
        population.next = population.blocks.draw();
        let next = population.next_instant();
        self.bear(id, &draws, None, agenda);
        if let Some(next) = next
            && self.populations[id].goes_on(next)
        {
            agenda.at(next, Event::Arrive(id));
        }
    }

    /// A closed-loop user asks.
    pub(super) fn on_ask(&mut self, user: UserId, agenda: &mut Agenda<'_, Event>) {
        let asker = &self.users[user.0 as usize];
        let (id, asked) = (asker.population, asker.asked);
        if self.populations[id].goes_on(agenda.now()) {
            let draws = self.streams.block(REQUESTS, closed_entity(user.0), asked);
            self.bear(id, &draws, Some(user), agenda);
        }
    }

    /// An answer has reached a closed-loop user, who thinks and asks again.
    pub(super) fn answered(&mut self, user: UserId, at: SimTime, agenda: &mut Agenda<'_, Event>) {
        let asker = &mut self.users[user.0 as usize];
        asker.asked += 1;
        let draws = self
            .streams
            .block(REQUESTS, closed_entity(user.0), asker.asked);
        if let Pace::Closed { think, .. } = &self.populations[asker.population].pace {
            agenda.at(at + think.sample(draws.unit(word::GAP)), Event::Ask(user));
        }
    }

    /// A request is born: its address and its work; then it sets off.
    fn bear(
        &mut self,
        id: PopulationId,
        draws: &Block,
        user: Option<UserId>,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let population = &mut self.populations[id];
        let serial = population.born;
        population.born += 1;
        population.budget.earn();
        let class = population.class(draws.word(word::CLASS));
        let Class { goal, demand, .. } = &population.classes[class as usize];
        let call = Call {
            population: id,
            serial,
            attempt: 0,
            class,
            address: draws.below(word::ADDRESS, population.addresses.len() as u32),
            goal: *goal,
            demand: demand.as_ref().map_or(SimDuration::ZERO, |demand| {
                demand.sample(draws.unit(word::DEMAND))
            }),
            asked: agenda.now(),
            user,
        };
        self.issue(&call, draws, agenda);
    }

    /// A client tries again.
    pub(super) fn on_retry(&mut self, id: CallId, agenda: &mut Agenda<'_, Event>) {
        let call = self.calls[id];
        self.calls.remove(id);
        let draws = self.draws_of_retry(&call);
        self.issue(&call, &draws, agenda);
    }

    /// How long a client waits before an attempt.
    pub(super) fn wait_before_retry(&self, call: &Call) -> SimDuration {
        let draw = self.draws_of_retry(call).unit(word::GAP);
        self.populations[call.population]
            .retries
            .wait(call.attempt, draw)
    }

    /// The random numbers of an attempt after the first.
    fn draws_of_retry(&self, call: &Call) -> Block {
        let entity = match call.user {
            None => u64::from(call.population.0),
            Some(UserId(user)) => closed_entity(user),
        };
        let block = 16 * call.serial + u64::from(call.attempt);
        self.streams.block(RETRIES, entity, block)
    }

    /// A request sets off on a connection to a load balancer node.
    fn issue(&mut self, call: &Call, draws: &Block, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let population = &mut self.populations[call.population];
        let rtt = population.rtt.sample(draws.unit32(word::RTT));
        let timeout = population.timeout;
        let (connection, ready_at) = population.connection(
            call.address,
            draws,
            (now, rtt),
            Outside {
                streams: &self.streams,
                nodes: self.load_balancer_nodes,
                front: self.front.as_deref(),
            },
        );
        let one_way = rtt / 2;
        let request = call.request(draws, now, connection, one_way);
        let request = self.requests.insert(request);
        let issued = Observation::Issued(&self.requests[request]);
        self.recorder.see(now, issued);
        if let Some(timeout) = timeout {
            self.await_answer(request, now + timeout, agenda);
        }
        if ready_at == SimTime::MAX {
            return self.never_connects(request, agenda);
        }
        let delay = ready_at.saturating_since(now) + one_way;
        if delay == SimDuration::ZERO {
            // Nothing can happen on a way of no length: the event is merged into this one.
            self.on_request_at_load_balancer(request, agenda);
        } else {
            agenda.after(delay, Event::AtLoadBalancer(request));
        }
    }
}
