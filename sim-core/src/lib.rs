//! A deterministic discrete-event engine: a clock, a calendar, random streams, and the statistics of what happened.
//!
//! A *model* is a system that changes only when something happens to it. You say what can happen (an enum), and what
//! each event does: change the state, and plan what follows. The engine keeps the calendar of what is planned, takes
//! the next event, moves the clock to it, and hands it to the model. Between events nothing changes, so nothing is
//! computed.
//!
//! # A queue in forty lines
//!
//! Customers arrive at random, one server serves them in order. With 80 arrivals and 100 services a second, theory says
//! that a customer spends 1 / (100 - 80) = 0.05 seconds here. Let us see.
//!
//! ```
//! use sim_core::*;
//! use std::collections::VecDeque;
//!
//! const ARRIVALS: StreamName = StreamName::new("arrivals");
//! const SERVICE: StreamName = StreamName::new("service");
//!
//! #[derive(Clone, Copy)]
//! enum Event {
//!     Arrive,
//!     Depart,
//! }
//!
//! struct Queue {
//!     gap: (Sampler, Stream),
//!     service: (Sampler, Stream),
//!     waiting: VecDeque<SimTime>, // when each customer arrived; the first is being served
//!     sojourn: Tally,
//! }
//!
//! impl Model for Queue {
//!     type Event = Event;
//!
//!     fn handle(&mut self, event: Event, agenda: &mut Agenda<'_, Event>) {
//!         match event {
//!             Event::Arrive => {
//!                 agenda.after(self.gap.0.sample(self.gap.1.unit()), Event::Arrive);
//!                 self.waiting.push_back(agenda.now());
//!             }
//!             Event::Depart => {
//!                 let arrived = self.waiting.pop_front().expect("who departs was there");
//!                 self.sojourn.add((agenda.now() - arrived).as_nanos());
//!             }
//!         }
//!         let begins = matches!((event, self.waiting.len()), (Event::Arrive, 1) | (Event::Depart, 1..));
//!         if begins {
//!             agenda.after(self.service.0.sample(self.service.1.unit()), Event::Depart);
//!         }
//!     }
//! }
//!
//! let exponential = |micros| Dist::exponential(SimDuration::from_micros(micros)).sampler();
//! let (gap, service) = (exponential(12_500)?, exponential(10_000)?);
//! let means = replicate(20, 1, |streams| {
//!     let mut simulation = Simulation::new(Queue {
//!         gap: (gap.clone(), streams.stream(ARRIVALS, 0)),
//!         service: (service.clone(), streams.stream(SERVICE, 0)),
//!         waiting: VecDeque::new(),
//!         sojourn: Tally::new(),
//!     });
//!     simulation.agenda().at(SimTime::ZERO, Event::Arrive);
//!     simulation.run_until(SimTime::from_secs(600)).expect("there is no limit on events");
//!     simulation.model().sojourn.mean().expect("somebody came") / 1e9
//! });
//! assert!(Estimate::of(&means).interval(0.99).contains(0.05));
//! # Ok::<(), DistError>(())
//! ```
//!
//! # What it promises
//!
//! - **The same bits everywhere.** Time is in integer nanoseconds, logarithms are computed by one library, events have a
//!   total order, and replications are collected in theirs: neither the machine nor the number of threads shows.
//! - **Draws that stay put.** A random number has an address ([`stream`]), so nothing that is added to a model shifts
//!   the draws of the rest, and two variants of a model can share them.
//! - **Speed.** Planning and taking an event costs some tens of nanoseconds, whether ten are planned or ten million
//!   ([`calendar`]).
//!
//! # The modules, in reading order
//!
//! | module | the question it answers |
//! |---|---|
//! | [`time`] | What time is it, how long does it take? |
//! | [`calendar`], [`engine`] | What happens next, and what then? |
//! | [`fingerprint`] | Did two runs do the same? |
//! | [`stream`], [`dist`] | Where does a random number come from, and what duration does it stand for? |
//! | [`tally`], [`level`], [`histogram`], [`series`] | How many, how much on average, how spread, how over time? |
//! | [`warmup`] | Where does the initial transient end? |
//! | [`replicate`](mod@replicate), [`estimate`] | The same again with other draws: how sure are we? |

pub mod calendar;
pub mod dist;
pub mod engine;
pub mod estimate;
pub mod fingerprint;
pub mod histogram;
pub mod level;
pub mod replicate;
pub mod series;
pub mod stream;
pub mod tally;
pub mod time;
pub mod warmup;

pub use calendar::Calendar;
pub use dist::{Dist, DistError, Sampler};
pub use engine::{Agenda, BudgetSpent, Model, Simulation};
pub use estimate::{Estimate, Interval};
pub use fingerprint::Fingerprint;
pub use histogram::Histogram;
pub use level::Level;
pub use replicate::{replicate, replicate_each};
pub use series::Series;
pub use stream::{Block, Blocks, Stream, StreamName, Streams, Unit};
pub use tally::Tally;
pub use time::{SimDuration, SimTime};
