//! Laws of the scenario format.

mod drawn;
mod ron_agreement;
