//! What became of a call that failed, in one word, and what AWS says of it.

use std::fmt;

use aws_sdk_sts::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;

use super::Service;

/// What became of a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// IAM refuses it.
    Denied,
    /// What it is about is not there.
    Missing,
    /// What it would make is there, or something else is in its way.
    Conflict,
    /// The credentials it was made with are at their end.
    Expired,
    /// The clocks of this machine and of AWS are apart.
    Skewed,
    /// Too many calls at once.
    Throttled,
    /// AWS does not take the request as it is.
    Invalid,
    /// No answer, no connection, no credentials, or a fault of the service.
    Unavailable,
}

impl Class {
    /// The class as metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::Skewed => "skewed",
            Self::Throttled => "throttled",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
        }
    }

    /// Told by AWS's code, as the services' API models have it. A code nobody knows is the request's fault.
    fn of(code: &str) -> Self {
        match code {
            "AccessDenied" | "AccessDeniedException" | "NotAuthorizedException" | "UnauthorizedOperation" => {
                Self::Denied
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Self::Expired,
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Self::Skewed,
            "NoSuchKey"
            | "NoSuchBucket"
            | "NoSuchEntity"
            | "ResourceNotFoundException"
            | "NotFound"
            | "NoSuchBucketPolicy" => Self::Missing,
            "EntityAlreadyExists"
            | "ResourceExistsException"
            | "GroupExistsException"
            | "DeleteConflict"
            | "ConcurrentModification"
            | "ConcurrentModificationException"
            | "ResourceConflictException" => Self::Conflict,
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "SlowDown"
            | "RequestLimitExceeded"
            | "PriorRequestNotComplete" => Self::Throttled,
            ""
            | "InternalError"
            | "InternalFailure"
            | "InternalServiceError"
            | "InternalServerError"
            | "InternalErrorException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "ServiceFailure"
            | "ServiceFailureException"
            | "IDPCommunicationError" => Self::Unavailable,
            _ => Self::Invalid,
        }
    }
}

/// A call that failed. Holds no secret and no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The service.
    pub service: Service,
    /// The operation, as IAM spells its action.
    pub operation: &'static str,
    /// What became of it.
    pub class: Class,
    /// AWS's code, where AWS answered.
    pub code: String,
    /// What AWS says; where it did not answer, what went wrong.
    pub message: String,
    /// AWS's id of the request.
    pub request: Option<String>,
}

impl Failure {
    pub(super) fn of<E, R>(service: Service, operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug + 'static,
    {
        let Some(answered) = error.as_service_error() else {
            // Nothing but the way the call failed is in such an error: no header, no body.
            return Self {
                service,
                operation,
                class: Class::Unavailable,
                code: String::new(),
                message: unanswered(error),
                request: None,
            };
        };
        let meta = answered.meta();
        let code = meta.code().unwrap_or_default().to_owned();
        let class = Class::of(&code);
        // What does not look like what it should is repeated by AWS in the message, and could be a secret's value.
        let hidden = class == Class::Invalid && service == Service::SecretsManager;
        let message = if hidden { None } else { meta.message() };
        Self {
            service,
            operation,
            class,
            message: message.unwrap_or_default().to_owned(),
            request: meta.request_id().map(str::to_owned),
            code,
        }
    }

    pub(super) fn kept_away(service: Service, operation: &'static str) -> Self {
        Self {
            service,
            operation,
            class: Class::Unavailable,
            code: String::new(),
            message: "it has not answered lately, and is left alone for some seconds".to_owned(),
            request: None,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub fn passes(&self) -> bool {
        matches!(self.class, Class::Throttled | Class::Unavailable)
    }
}

fn unanswered<E, R>(error: &SdkError<E, R>) -> String
where
    E: std::error::Error + 'static,
    R: fmt::Debug + 'static,
{
    match error {
        SdkError::TimeoutError(_) => "it did not answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            let text = failure
                .as_connector_error()
                .map(|error| DisplayErrorContext(error).to_string());
            text.unwrap_or_else(|| "it cannot be reached".to_owned())
        }
        SdkError::ConstructionFailure(_) => format!("the request could not be made: {}", DisplayErrorContext(error)),
        _ => "its answer cannot be read".to_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            operation,
            class,
            code,
            message,
            request,
        } = self;
        write!(formatter, "{}:{operation}: ", service.prefix())?;
        match class {
            Class::Skewed => write!(
                formatter,
                "the clock of this machine is not AWS's; set it by NTP ({code})"
            )?,
            Class::Throttled => write!(
                formatter,
                "too many calls at once ({code}); try again, or ask AWS for a higher limit"
            )?,
            _ if code.is_empty() => write!(formatter, "{message}")?,
            _ => write!(formatter, "{code}: {message}")?,
        }
        match request {
            Some(request) => write!(formatter, " (request {request})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_by_its_code() {
        for (code, class) in [
            ("AccessDeniedException", Class::Denied),
            ("NoSuchKey", Class::Missing),
            ("SlowDown", Class::Throttled),
            ("RequestTimeTooSkewed", Class::Skewed),
            ("MalformedPolicyDocument", Class::Invalid),
            ("LimitExceededException", Class::Invalid),
            ("InternalFailure", Class::Unavailable),
            ("", Class::Unavailable),
        ] {
            assert_eq!(Class::of(code), class, "{code}");
        }
    }
}
