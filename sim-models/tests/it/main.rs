//! What holds of the models as a whole.

mod conformance;
