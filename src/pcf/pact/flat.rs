//! 7.0.0: the flat document, which is PACT 2 with members of Catena-X beside it.

use serde_json::{Value, json};

use super::read::{Node, Open};
use super::values::{Decimal, Geography, factors, sources, standards, unit, urns, uuid, uuids};
use super::{CarbonFootprint, ProductFootprint, SPEC_VERSION, Underivable, missing};

/// The characters a code of the UN's product classification has.
const CPC: &str = "0123456789-.";

pub(super) fn convert(document: &Value) -> Result<ProductFootprint, Underivable> {
    let root = Node::root(document);
    let company_ids = urns(root.texts("companyIds"));
    let product_ids = urns(root.texts("productIds"));
    if company_ids.is_empty() {
        return Err(no_urn("companyIds"));
    }
    if product_ids.is_empty() {
        return Err(no_urn("productIds"));
    }
    Ok(ProductFootprint {
        id: root.text("id").and_then(uuid).ok_or_else(|| missing("id"))?,
        spec_version: SPEC_VERSION,
        preceding_pf_ids: uuids(root.texts_below("precedingPfIds", "id")),
        created: root.need_instant("created", "created")?,
        status: root.need("extWBCSD_pfStatus", "status")?.to_owned(),
        validity_period_start: root.instant("validityPeriodStart", "validityPeriodStart")?,
        validity_period_end: root.instant("validityPeriodEnd", "validityPeriodEnd")?,
        company_name: root.need("companyName", "companyName")?.to_owned(),
        company_ids,
        product_description: root.need("productDescription", "productDescription")?.to_owned(),
        product_ids,
        product_classifications: classification(root).into_iter().collect(),
        product_name_company: root.need("productName", "productNameCompany")?.to_owned(),
        comment: root.text("comment").map(str::to_owned),
        pcf: carbon(root.below("pcf"))?,
    })
}

pub(super) fn no_urn(member: &'static str) -> Underivable {
    let why = "none of them is a URN";
    Underivable { member, why }
}

/// The code of the UN's classification, as PACT spells it as a URN.
fn classification(root: Node<'_>) -> Option<String> {
    let code = root.text("extWBCSD_productCodeCpc")?;
    let sound = code.chars().all(|letter| CPC.contains(letter));
    sound.then(|| format!("urn:pact:productclassification:un-cpc:{code}"))
}

fn carbon(pcf: Node<'_>) -> Result<CarbonFootprint, Underivable> {
    let including = pcf.need_number("pcfIncludingBiogenic", "pcfIncludingBiogenicUptake")?;
    let place = |name| pcf.text(name);
    Ok(CarbonFootprint {
        declared_unit_of_measurement: unit(pcf.need("declaredUnit", "declaredUnitOfMeasurement")?)?,
        declared_unit_amount: pcf.need_number("unitaryProductAmount", "declaredUnitAmount")?,
        product_mass_per_declared_unit: pcf.need_number("productMassPerDeclaredUnit", "productMassPerDeclaredUnit")?,
        reference_period_start: pcf.need_instant("referencePeriodStart", "referencePeriodStart")?,
        reference_period_end: pcf.need_instant("referencePeriodEnd", "referencePeriodEnd")?,
        geography: Geography::of(
            place("geographyRegionOrSubregion"),
            place("geographyCountry"),
            place("geographyCountrySubdivision"),
        )?,
        pcf_excluding_biogenic_uptake: excluding(&including, pcf)?,
        pcf_including_biogenic_uptake: including,
        fossil_ghg_emissions: pcf.need_number("fossilGhgEmissions", "fossilGhgEmissions")?,
        fossil_carbon_content: pcf.need_number("extWBCSD_fossilCarbonContent", "fossilCarbonContent")?,
        ipcc_characterization_factors: factors(
            pcf.need("extWBCSD_characterizationFactors", "ipccCharacterizationFactors")?,
        )?,
        cross_sectoral_standards: standards(pcf.texts_below("crossSectoralStandardsUsed", "crossSectoralStandard"))?,
        exempted_emissions_percent: pcf.need_number("exemptedEmissionsPercent", "exemptedEmissionsPercent")?,
        more: open(pcf)?.into_members(),
    })
}

/// The footprint without the uptake: that with it, less the uptake, which is at most zero. PACT 3.0 adds the one to get the other.
fn excluding(including: &Decimal, pcf: Node<'_>) -> Result<Decimal, Underivable> {
    let member = "pcfExcludingBiogenicUptake";
    let uptake = pcf.need_number("biogenicCarbonWithdrawal", member)?;
    if uptake.is_positive() {
        let why = "the biogenic uptake it follows from is greater than zero";
        return Err(Underivable { member, why });
    }
    let why = "it has more digits than can be reckoned with";
    including.minus(&uptake).ok_or(Underivable { member, why })
}

fn open(pcf: Node<'_>) -> Result<Open, Underivable> {
    let mut open = Open::default();
    open.numbers(
        pcf,
        &[
            ("biogenicCarbonContent", "carbonContentBiogenic"),
            ("landUseChangeGhgEmissions", "dlucGhgEmissions"),
            ("biogenicCO2Uptake", "biogenicCarbonWithdrawal"),
            ("biogenicNonCO2Emissions", "biogenicCarbonEmissionsOtherThanCO2"),
            ("aircraftGhgEmissions", "aircraftGhgEmissions"),
            ("primaryDataShare", "primaryDataShare"),
        ],
    );
    let packed = pcf.flag("extWBCSD_packagingEmissionsIncluded");
    open.put("packagingEmissionsIncluded", packed);
    if packed == Some(true) {
        open.numbers(pcf, &[("packagingGhgEmissions", "extWBCSD_packagingGhgEmissions")]);
    }
    for (member, name) in [
        ("boundaryProcessesDescription", "boundaryProcessesDescription"),
        ("exemptedEmissionsDescription", "exemptedEmissionsDescription"),
        ("allocationRulesDescription", "extWBCSD_allocationRulesDescription"),
    ] {
        open.put(member, pcf.text(name));
    }
    let rules: Vec<Value> = pcf.nodes("productOrSectorSpecificRules").filter_map(rule).collect();
    open.put("productOrSectorSpecificRules", (!rules.is_empty()).then_some(rules));
    open.sources(sources(
        pcf.texts_below("secondaryEmissionFactorSources", "secondaryEmissionFactorSource"),
    )?);
    open.quality(pcf.below("dataQualityRating"));
    Ok(open)
}

/// The rules of one operator; an `Other` must be named.
fn rule(node: Node<'_>) -> Option<Value> {
    let names = node.texts_below("productOrSectorSpecificRules", "ruleName");
    let names = super::values::distinct(names.into_iter().map(str::to_owned));
    let operator = node.text("extWBCSD_operator")?;
    let other = node.text("extWBCSD_otherOperatorName");
    let mut rule = json!({ "operator": operator, "ruleNames": names });
    match (operator, other) {
        ("Other", None) => return None,
        ("Other", Some(name)) => rule.as_object_mut()?.insert("otherOperatorName".into(), name.into()),
        _ => None,
    };
    (!names.is_empty()).then_some(rule)
}
