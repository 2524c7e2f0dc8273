//! Does a client go back to the target that it had before?
//!
//! The load balancer names the target in a cookie, and a client that keeps cookies brings it along. With `instance`
//! targets the cookie names a node: the pod behind it is chosen anew for every connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime};

use crate::id::TargetGroupId;

/// Sticky sessions of a target group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether the load balancer sets cookies.
    ///
    /// Default: false.
    /// Source: AWS, "Edit target group attributes", `stickiness.enabled`.
    pub enabled: bool,

    /// Whose cookie it is. A run does not tell them apart: the application is taken to set its cookie in every answer.
    ///
    /// Default: LbCookie.
    /// Source: AWS, `stickiness.type`.
    #[serde(rename = "type")]
    pub kind: Kind,

    /// How long a cookie is valid after the last answer.
    ///
    /// Range: "1s" to "604800s". Default: "86400s".
    /// Source: AWS, `stickiness.lb_cookie.duration_seconds`.
    pub duration: SimDuration,
}

/// Whose cookie it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// The load balancer's own: `AWSALB`.
    #[default]
    LbCookie,
    /// One that follows a cookie of the application: `AWSALBAPP`.
    AppCookie,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            kind: Kind::default(),
            duration: SimDuration::from_secs(86_400),
        }
    }
}

/// The cookies of one client: at most one for each target group.
#[derive(Clone, Debug, Default)]
pub struct Jar(Vec<Cookie>);

#[derive(Clone, Copy, Debug)]
struct Cookie {
    group: TargetGroupId,
    position: u32,
    until: SimTime,
}

impl Jar {
    /// The position of the target that a valid cookie names.
    pub fn target(&self, group: TargetGroupId, now: SimTime) -> Option<u32> {
        let cookie = self.0.iter().find(|cookie| cookie.group == group)?;
        (now < cookie.until).then_some(cookie.position)
    }

    /// An answer brings a cookie, or renews it.
    pub fn keep(&mut self, group: TargetGroupId, position: u32, until: SimTime) {
        let cookie = Cookie {
            group,
            position,
            until,
        };
        match self.0.iter_mut().find(|cookie| cookie.group == group) {
            Some(old) => *old = cookie,
            None => self.0.push(cookie),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_valid_until_its_time_and_renewed_by_each_answer() {
        let at = SimTime::from_secs;
        let (one, other) = (TargetGroupId(0), TargetGroupId(1));
        let mut jar = Jar::default();
        assert_eq!(jar.target(one, at(0)), None);
        jar.keep(one, 3, at(10));
        jar.keep(other, 5, at(20));
        assert_eq!(jar.target(one, at(9)), Some(3));
        assert_eq!(jar.target(one, at(10)), None);
        jar.keep(one, 4, at(30));
        assert_eq!(
            [one, other].map(|group| jar.target(group, at(15))),
            [Some(4), Some(5)]
        );
    }
}
