//! Laws of the scenario format.

mod ron_agreement;
