//! Right operands that have a shape of their own.

use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan, civil};

const MAX_FRAMEWORK: usize = 64;

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
