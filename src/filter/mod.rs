//! Filters.

/// What is in scope.
#[derive(Debug, Clone, Default)]
pub struct Filter;
