//! Declared and observed state to a plan: placement, order, size.
