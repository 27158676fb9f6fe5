//! Timelines, operations metrics and post-incident drafts.
