//! Typed values of conditions: numbers, dates, networks.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A decimal number, in billionths: compared exactly, unlike a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(i128);

impl Number {
    /// Reads up to 18 digits before and 9 after the point; no exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let sound = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !sound(whole, 18) || !sound(fraction, 9) {
            return None;
        }
        let billionths: i128 = format!("{whole}{fraction:0<9}").parse().ok()?;
        Some(Self(if negative { -billionths } else { billionths }))
    }
}

/// Reads a date as IAM takes it: RFC 3339, a bare day or month (its first midnight UTC), or seconds since 1970. A year alone
/// is not taken, for it could be either.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    if text.len() > 4 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_second(text.parse().ok()?).ok();
    }
    if matches!(text.len(), 7 | 10) {
        let first = if text.len() == 7 { "-01" } else { "" };
        let day: Date = format!("{text}{first}").parse().ok()?;
        return Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    text.contains(['T', 't']).then(|| text.parse().ok())?
}

/// A network in CIDR form; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
        };
        (prefix <= width).then_some(Self { address, prefix })
    }

    /// Whether the network holds the address. An IPv4 network holds no IPv6 address but one that is an IPv4 address in
    /// disguise, `::ffff:10.1.2.3` (RFC 4291, section 2.5.5.2).
    pub(super) fn holds(self, address: IpAddr) -> bool {
        self.holds_as_written(address) || self.holds_as_written(address.to_canonical())
    }

    fn holds_as_written(self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // A shift by the full width is the empty prefix, which holds everything.
        let cut = |bits: u128| bits.checked_shr(width - self.prefix).unwrap_or(0);
        cut(own) == cut(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_exactly() {
        let number = |text| Number::parse(text).unwrap();
        assert!(number("9") < number("10"));
        assert!(number("-2") < number("-1.5"));
        assert_eq!(number("1.50"), number("1.5"));
        assert!(number("900719925474099267.1") < number("900719925474099267.2"));
        for bad in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1e3",
            "+1",
            "NaN",
            " 1",
            "1234567890123456789",
            "٣",
        ] {
            assert_eq!(Number::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn dates_come_in_three_spellings() {
        let expected = "2020-04-01T00:00:00Z".parse::<Timestamp>().unwrap();
        for text in [
            "2020-04-01T00:00:00Z",
            "2020-04-01T02:00:00+02:00",
            "2020-04-01T00:00Z",
            "2020-04-01",
            "2020-04",
            "1585699200",
        ] {
            assert_eq!(date(text), Some(expected), "{text}");
        }
        for bad in ["", "2020", "tomorrow", "2020-13-01", "99999999999999999999"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses_only() {
        let check = |network: &str, address: &str, expected: bool| {
            let held = Network::parse(network).unwrap().holds(address.parse().unwrap());
            assert_eq!(held, expected, "{address} in {network}");
        };
        check("10.1.0.0/16", "10.1.255.255", true);
        check("10.1.0.0/16", "10.2.0.0", false);
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "ffff::1", true);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("10.0.0.0/8", "::ffff:11.1.2.3", false);
        check("10.0.0.0/8", "::10.1.2.3", false);
        check("::ffff:0:0/96", "::ffff:10.1.2.3", true);
        check("::ffff:0:0/96", "10.1.2.3", false);
        check("2001:db8::/32", "2001:db9::", false);
        for bad in [
            "10.1.0.0/33",
            "10.1.0.0/",
            "10.1.0.0/+8",
            "10.1",
            "10.01.0.0",
            "::/129",
            "*",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
