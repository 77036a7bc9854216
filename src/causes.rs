//! What an error says together with whatever caused it: many a library says only "error sending request" and keeps the reason apart.

use std::error::Error;

/// The error and its causes, outermost first, each after a colon.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Says(&'static str, Option<Box<Says>>);

    impl fmt::Display for Says {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Says {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_said_the_innermost_last() {
        assert_eq!(with_causes(&Says("refused", None)), "refused");
        let cause = Says("not sent", Some(Box::new(Says("not connected", None))));
        let error = Says("no answer", Some(Box::new(cause)));
        assert_eq!(with_causes(&error), "no answer: not sent: not connected");
    }
}
