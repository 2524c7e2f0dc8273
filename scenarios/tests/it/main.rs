//! Laws of the scenario format.

mod drawn;
mod presence;
mod ron_agreement;
