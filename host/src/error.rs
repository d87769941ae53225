//! The one error type that host modules hand to `main`: a category, what happened, and a way out.

use crate::errno::by_name;
use std::fmt;

/// What an error costs: `main` maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Bad arguments or spec; nothing was started (exit 2).
    Usage,
    /// The host, or the kernel's configuration, lacks something (exit 3).
    Environment,
    /// The kernel's image is damaged, so that it cannot boot (exit 4).
    Boot,
    /// lunlab itself is wrong.
    Internal,
}

/// An error a person reads: what was attempted, on what, the cause; and, apart from it, a hint that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    category: Category,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// An error in what was typed or in the spec.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Category::Usage, message)
    }

    /// Something the host or the kernel lacks.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Category::Environment, message)
    }

    /// A kernel image that cannot boot as it is.
    pub fn boot(message: impl Into<String>) -> Self {
        Self::new(Category::Boot, message)
    }

    /// Something that can only be a mistake in lunlab.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Category::Internal, message)
    }

    fn new(category: Category, message: impl Into<String>) -> Self {
        Self { category, message: by_name(&message.into()), hint: None }
    }

    /// Adds what would mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{}: {}", by_name(&doing.to_string()), self.message);
        self
    }

    /// What the error costs.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    /// What would mend it, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_goes_in_front_and_keeps_category_and_hint() {
        let error = Error::usage("no such kernel").with_hint("try `debian`").context("--kernel x");
        assert_eq!(error.to_string(), "--kernel x: no such kernel");
        assert_eq!(error.category(), Category::Usage);
        assert_eq!(error.hint(), Some("try `debian`"));
    }
}
