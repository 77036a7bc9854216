//! Right operands that have a shape of their own.

use std::fmt;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan, civil};

const MAX_FRAMEWORK: usize = 64;
/// Nine digits of days are two million years: more than anyone means, and nothing that is computed from it overflows.
const MAX_DIGITS: usize = 9;

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With this whole second, which still counts.
    Date(Timestamp),
    /// So many times 24 hours after signing.
    Days(u32),
}

impl End {
    /// The first instant after it, for an agreement signed at `signed_at`; none if that is after the year 9999.
    pub(super) fn after(self, signed_at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Date(last) => last.checked_add(SignedDuration::from_secs(1)).ok(),
            Self::Days(days) => signed_at
                .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
                .ok(),
        }
    }

    /// As a right operand.
    pub(super) fn text(self) -> String {
        match self {
            Self::Date(last) => last.to_string(),
            Self::Days(days) => days.to_string(),
        }
    }
}

/// What `inForceDate` is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    At(Timestamp),
    /// So many seconds after signing, before it if negative.
    Since(i64),
}

impl Bound {
    /// The instant, for an agreement signed at `signed_at`.
    pub(super) fn instant(self, signed_at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(instant) => Some(instant),
            Self::Since(seconds) => signed_at.checked_add(SignedDuration::from_secs(seconds)).ok(),
        }
    }
}

/// As a right operand, in seconds whatever the unit was.
impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(instant) => write!(formatter, "{instant}"),
            Self::Since(seconds) => write!(formatter, "contractAgreement+{seconds}s"),
        }
    }
}

/// A number of days or months: digits, the first not 0.
pub(super) fn count(text: &str) -> Option<u32> {
    let sound = (1..=MAX_DIGITS).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

/// A right operand of `inForceDate`, as the Eclipse Dataspace Connector writes them: a date-time of up to milliseconds, or
/// `contractAgreement+` and a number, which may be negative, of seconds, minutes, hours or days.
pub(super) fn bound(text: &str) -> Option<Bound> {
    let rest = text
        .strip_prefix("contractAgreement+")
        .or_else(|| text.strip_prefix("contractagreement+"));
    let Some(rest) = rest else {
        return instant(text).map(Bound::At);
    };
    let seconds = match rest.bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return None,
    };
    let number = rest.get(..rest.len() - 1)?;
    let digits = number.strip_prefix('-').unwrap_or(number);
    let sound = (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = sound.then(|| number.parse().ok()).flatten()?;
    Some(Bound::Since(number * seconds))
}

/// As [`end_date`], with up to three digits of a second's fraction.
fn instant(text: &str) -> Option<Timestamp> {
    let Some((whole, rest)) = text.split_once('.') else {
        return end_date(text);
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = rest.split_at_checked(digits)?;
    let milliseconds: i64 = (1..=3)
        .contains(&digits)
        .then(|| format!("{fraction:0<3}").parse().ok())
        .flatten()?;
    let second = end_date(&format!("{whole}{zone}"))?;
    second.checked_add(SignedDuration::from_millis(milliseconds)).ok()
}

/// A framework agreement as `name:version`: letters, a colon, digits and dots.
pub(super) fn framework(text: &str) -> Option<String> {
    let (name, version) = text.split_once(':')?;
    let sound = text.len() <= MAX_FRAMEWORK
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && version
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    sound.then(|| text.to_owned())
}

/// An end date in the profile's own shape, `YYYY-MM-DDThh:mm:ss` and `Z` or an offset; whole seconds, no leap second.
pub(super) fn end_date(text: &str) -> Option<Timestamp> {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => (byte == b'Z' && text.len() == 20) || (matches!(byte, b'+' | b'-') && text.len() == 25),
        22 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    if !text.bytes().enumerate().all(shape) || text.len() < 20 {
        return None;
    }
    let (local, zone) = text.split_at_checked(19)?;
    let local: civil::DateTime = local.parse().ok().filter(|_| !local.ends_with(":60"))?;
    let minutes = match zone.split_at_checked(1)? {
        ("Z", _) => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            let total = hours * 60 + minutes;
            // No zone is further than 14 hours from UTC.
            (minutes < 60 && total <= 14 * 60).then_some(if sign == "-" { -total } else { total })?
        }
    };
    let utc = local.checked_sub(minutes.minutes()).ok()?;
    let instant = Offset::UTC.to_timestamp(utc).ok()?;
    (1970..=9998).contains(&utc.year()).then_some(instant)
}
