//! How do rolling updates go? Of scenarios that set how long pods have to be ready, or in which an update is late.

use sim_models::control::deployment;

use super::Shown;
use super::topic::{self, Topic};
use crate::report::Section;

/// How long rolling updates take, and which make no progress.
pub(super) fn section(shown: &Shown<'_>) -> Option<Section> {
    let topics: Vec<Topic> = ["rollout time", "unfinished rollouts", "late rollouts"]
        .map(Topic::overall)
        .into();
    let late = topics.last()?;
    let is_late = |alternative| matches!(late.estimate(alternative), Ok(it) if it.mean > 0.0);
    if !shown.alternatives().iter().any(is_late) && !is_asked_for(shown) {
        return None;
    }
    let mut table = topic::table(shown, "rollouts", "Rolling updates", &topics, false)?;
    table.note("Late: no progress for `progress_deadline`. `kubectl rollout status` then says \"exceeded its progress deadline\"; the condition is Progressing=False, reason ProgressDeadlineExceeded.");
    Some(Section {
        title: "How rolling updates go".to_owned(),
        text: "A new pod counts when it has been ready for `min_ready`. A late update goes on as it did: nothing is rolled back.".to_owned(),
        tables: vec![table],
        ..Section::default()
    })
}

/// Whether some Deployment says how long a pod must be ready, or for how long nothing may move.
fn is_asked_for(shown: &Shown<'_>) -> bool {
    let health = shown.alternatives().iter();
    let mut workloads = health
        .filter_map(|one| one.blueprint.health.as_ref())
        .flat_map(|health| health.workloads.iter());
    workloads.any(|it| {
        !it.min_ready.is_zero() || it.progress_deadline != deployment::progress_deadline()
    })
}
