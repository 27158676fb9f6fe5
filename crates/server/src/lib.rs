//! The loops of the control plane.
