//! Values as PACT spells them.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Number;

use super::Underivable;

/// The units PACT knows.
const UNITS: [&str; 10] = [
    "liter",
    "kilogram",
    "cubic meter",
    "kilowatt hour",
    "megajoule",
    "ton kilometer",
    "square meter",
    "piece",
    "hour",
    "megabit second",
];

/// The regions and subregions PACT knows: those of the United Nations.
const REGIONS: [&str; 22] = [
    "Africa",
    "Americas",
    "Asia",
    "Europe",
    "Oceania",
    "Australia and New Zealand",
    "Central Asia",
    "Eastern Asia",
    "Eastern Europe",
    "Latin America and the Caribbean",
    "Melanesia",
    "Micronesia",
    "Northern Africa",
    "Northern America",
    "Northern Europe",
    "Polynesia",
    "South-eastern Asia",
    "Southern Asia",
    "Southern Europe",
    "Sub-Saharan Africa",
    "Western Asia",
    "Western Europe",
];

/// A number in digits: a sign where it is negative, digits, and a point with more digits where it is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal(String);

impl Decimal {
    /// A number of a document, as it reads.
    pub(super) fn of(number: &Number) -> Option<Self> {
        if number.is_i64() || number.is_u64() {
            return Some(Self(number.to_string()));
        }
        // Rust spells a float by the fewest digits that read back as it, and never with an exponent.
        let float = number.as_f64().filter(|float| float.is_finite())?;
        Some(Self(if float == 0.0 {
            "0".to_owned()
        } else {
            float.to_string()
        }))
    }

    /// Whether it is greater than nothing.
    pub(super) fn is_positive(&self) -> bool {
        !self.0.starts_with('-') && self.0.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
    }

    /// The difference, exactly; nothing where it has more digits than can be reckoned with.
    pub(super) fn minus(&self, other: &Self) -> Option<Self> {
        let places = self.places().max(other.places());
        let difference = self.scaled(places)?.checked_sub(other.scaled(places)?)?;
        let digits = format!("{:0>width$}", difference.unsigned_abs(), width = places + 1);
        let (whole, part) = digits.split_at_checked(digits.len().checked_sub(places)?)?;
        let part = part.trim_end_matches('0');
        let sign = if difference < 0 { "-" } else { "" };
        let point = if part.is_empty() { "" } else { "." };
        Some(Self(format!("{sign}{whole}{point}{part}")))
    }

    /// How many digits stand after the point.
    fn places(&self) -> usize {
        self.0.split_once('.').map_or(0, |(_, part)| part.len())
    }

    /// The number times ten to the power of `places`.
    fn scaled(&self, places: usize) -> Option<i128> {
        let (whole, part) = self.0.split_once('.').unwrap_or((&self.0, ""));
        format!("{whole}{part:0<places$}").parse().ok()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What a footprint is representative of; `Global` is all members absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Geography {
    #[serde(rename = "geographyCountrySubdivision")]
    Subdivision(String),
    #[serde(rename = "geographyCountry")]
    Country(String),
    #[serde(rename = "geographyRegionOrSubregion")]
    Region(String),
}

impl Geography {
    /// The narrowest that a document says; nothing where it says `Global`.
    pub(super) fn of(
        region: Option<&str>,
        country: Option<&str>,
        subdivision: Option<&str>,
    ) -> Result<Option<Self>, Underivable> {
        let wrong = |member, why| Err(Underivable { member, why });
        match (subdivision, country, region) {
            (Some(code), ..) if is_subdivision(code) => Ok(Some(Self::Subdivision(code.to_owned()))),
            (Some(_), ..) => wrong("geographyCountrySubdivision", "it is no code of ISO 3166-2"),
            (None, Some(code), _) if is_country(code) => Ok(Some(Self::Country(code.to_owned()))),
            (None, Some(_), _) => wrong("geographyCountry", "it is no code of ISO 3166-1 alpha-2"),
            (None, None, None | Some("Global")) => Ok(None),
            (None, None, Some(name)) if REGIONS.contains(&name) => Ok(Some(Self::Region(name.to_owned()))),
            (None, None, Some(_)) => wrong("geographyRegionOrSubregion", "it is no region PACT knows"),
        }
    }

    /// Whether `name` is the geography's own or one it lies in, in any case. Which countries a region has is not known here.
    pub(super) fn is_within(&self, name: &str) -> bool {
        match self {
            Self::Region(own) | Self::Country(own) => own.eq_ignore_ascii_case(name),
            Self::Subdivision(own) => {
                let country = own.split('-').next().unwrap_or_default();
                own.eq_ignore_ascii_case(name) || country.eq_ignore_ascii_case(name)
            }
        }
    }
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_subdivision(code: &str) -> bool {
    let (country, part) = code.split_once('-').unwrap_or_default();
    let sound = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    is_country(country) && (1..=3).contains(&part.len()) && part.bytes().all(sound)
}

/// A unit, where PACT knows it.
pub(super) fn unit(text: &str) -> Result<String, Underivable> {
    let (member, why) = ("declaredUnitOfMeasurement", "it is no unit PACT knows");
    match UNITS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(Underivable { member, why }),
    }
}

/// The URNs among `ids`, each once.
pub(super) fn urns<'d>(ids: impl IntoIterator<Item = &'d str>) -> Vec<String> {
    let is_urn = |text: &str| text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"));
    distinct(ids.into_iter().filter(|id| is_urn(id)).map(str::to_owned))
}

/// The ids that are UUIDs, each once, in lower case.
pub(super) fn uuids<'d>(ids: impl IntoIterator<Item = &'d str>) -> Vec<String> {
    distinct(ids.into_iter().filter_map(uuid))
}

/// A UUID, with or without `urn:uuid:` before it.
pub(super) fn uuid(text: &str) -> Option<String> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let read = (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten()?;
    Some(read.hyphenated().to_string())
}

/// Each text once, in the order in which they came.
pub(super) fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

/// The characterization factors: PACT knows the assessment reports of the IPCC by number.
pub(super) fn factors(text: &str) -> Result<Vec<String>, Underivable> {
    let number = text.strip_prefix("AR").unwrap_or_default();
    match !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(vec![text.to_owned()]),
        false => Err(Underivable {
            member: "ipccCharacterizationFactors",
            why: "it names no assessment report",
        }),
    }
}

/// The standards by the names PACT has for them; others by their own, which PACT lets stand.
pub(super) fn standards<'d>(names: impl IntoIterator<Item = &'d str>) -> Result<Vec<String>, Underivable> {
    let named = |name: &'d str| match name {
        "ISO 14067" | "ISO Standard 14067" => "ISO14067",
        "ISO 14040-44" | "ISO Standard 14040" | "ISO Standard 14041" | "ISO Standard 14042" | "ISO Standard 14043"
        | "ISO Standard 14044" => "ISO14040-44",
        "GHG Protocol Product" | "GHG Protocol Product Standard" => "GHGP-Product",
        "Pathfinder v1" => "PACT-1.0",
        "Pathfinder v2" => "PACT-2.0",
        "Pathfinder v3" => "PACT-3.0",
        "PAS 2050" => "PAS2050",
        other => other,
    };
    let all = distinct(
        names
            .into_iter()
            .map(named)
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
    );
    match all.is_empty() {
        true => Err(super::missing("crossSectoralStandards")),
        false => Ok(all),
    }
}

/// The databases of secondary data. PACT wants each with its version, and the aspect model has both in one text; the version is what
/// stands after the last space, where it has a digit.
pub(super) fn sources<'d>(names: impl IntoIterator<Item = &'d str>) -> Result<Vec<(String, String)>, Underivable> {
    let split = |text: &'d str| {
        let (name, version) = text.trim().rsplit_once(' ')?;
        let has_number = version.bytes().any(|byte| byte.is_ascii_digit());
        (has_number && !name.trim().is_empty()).then(|| (name.trim().to_owned(), version.to_owned()))
    };
    names
        .into_iter()
        .map(|text| {
            split(text).ok_or(Underivable {
                member: "secondaryEmissionFactorSources",
                why: "a source has no version",
            })
        })
        .collect()
}

/// An instant, where the text says which one it is.
pub(super) fn instant(member: &'static str, text: &str) -> Result<Timestamp, Underivable> {
    text.parse().map_err(|_| Underivable {
        member,
        why: "it is no instant: its offset from UTC is missing, or there is no such time",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::of(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_number_is_spelled_as_it_reads() {
        for (number, spelled) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("0.456", "0.456"),
            ("-1.4", "-1.4"),
            ("1e-9", "0.000000001"),
            ("1.5e21", "1500000000000000000000"),
            ("58.45549486043274", "58.45549486043274"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(decimal(number).to_string(), spelled);
        }
    }

    #[test]
    fn a_difference_is_exact() {
        for (left, right, difference) in [
            ("1.9", "-1", "2.9"),
            ("0.3", "0.1", "0.2"),
            ("0.1", "0.3", "-0.2"),
            ("1", "1.0", "0"),
            ("0.05", "0.1", "-0.05"),
            ("10", "0.001", "9.999"),
        ] {
            assert_eq!(decimal(left).minus(&decimal(right)).unwrap().to_string(), difference);
        }
        assert_eq!(decimal("1e300").minus(&decimal("1")), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_away_can_be_put_back(left in -1_000_000_i64..1_000_000, right in -1_000_000_i64..1_000_000) {
            let spelled = |thousandths: i64| decimal(&format!("{}", thousandths as f64 / 1000.0));
            let zero = decimal("0");
            let difference = spelled(left).minus(&spelled(right)).unwrap();
            let back = difference.minus(&zero.minus(&spelled(right)).unwrap()).unwrap();
            prop_assert_eq!(back, spelled(left).minus(&zero).unwrap());
            prop_assert_eq!(spelled(left).is_positive(), left > 0);
        }
    }

    #[test]
    fn the_narrowest_geography_counts() {
        let of = |region, country, subdivision| Geography::of(region, country, subdivision);
        let region = |name: &str| Ok(Some(Geography::Region(name.to_owned())));
        assert_eq!(
            of(Some("Africa"), Some("DE"), Some("US-NY")),
            Ok(Some(Geography::Subdivision("US-NY".into())))
        );
        assert_eq!(
            of(Some("Africa"), Some("DE"), None),
            Ok(Some(Geography::Country("DE".into())))
        );
        assert_eq!(of(Some("Western Europe"), None, None), region("Western Europe"));
        assert_eq!(of(Some("Global"), None, None), Ok(None));
        assert_eq!(of(None, None, None), Ok(None));
        for wrong in [
            of(Some("Several"), None, None),
            of(Some("Global"), Some("Germany"), None),
            of(None, Some("DE"), Some("DE-ABCD")),
        ] {
            assert!(wrong.is_err());
        }
        let bavaria = Geography::Subdivision("DE-BY".into());
        assert!(bavaria.is_within("de") && bavaria.is_within("de-by") && !bavaria.is_within("DE-BW"));
    }

    #[test]
    fn a_source_has_a_name_and_a_version_or_is_none() {
        let read = |text| sources([text]);
        assert_eq!(read("ecoinvent 3.8"), Ok(vec![("ecoinvent".into(), "3.8".into())]));
        assert_eq!(
            read("Sphera LCA FE v2023.2"),
            Ok(vec![("Sphera LCA FE".into(), "v2023.2".into())])
        );
        for bad in ["ecoinvent", "our own data", "3.8", " 3.8", ""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
