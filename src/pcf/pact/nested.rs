//! 9.0.0 and 10.0.0: documents in nodes, most of whose members have PACT 3.0's names.
//!
//! Of the stages only that of production is told: by the aspect model, what packaging emits is part of it, and PACT's footprint ends at
//! the gate.

use serde_json::Value;

use super::flat::no_urn;
use super::read::{Node, Open};
use super::values::{Geography, factors, sources, standards, unit, urns, uuid, uuids};
use super::{CarbonFootprint, ProductFootprint, SPEC_VERSION, Underivable, missing};

/// The nodes that are read.
struct Nodes<'d> {
    product: Node<'d>,
    company: Node<'d>,
    information: Node<'d>,
    methodology: Node<'d>,
    quality: Node<'d>,
    content: Node<'d>,
    production: Node<'d>,
    packaging: Node<'d>,
    general: Node<'d>,
}

impl<'d> Nodes<'d> {
    fn of(document: &'d Value) -> Self {
        let root = Node::root(document);
        let named = root.below("companyAndProductInformation");
        let assessment = root.below("pcfAssessmentAndMethodology");
        let stages = root.below("productLifeCycleStagesAndEmissions");
        Self {
            product: named.below("productInformation"),
            company: named.below("companyInformation"),
            information: assessment.below("pcfAssessmentInformation"),
            methodology: assessment.below("pcfMethodology"),
            quality: assessment.below("dataSourcesAndQuality"),
            content: root.below("carbonContent"),
            production: stages.below("productionStage"),
            packaging: stages.below("packagingStage"),
            general: root.below("general"),
        }
    }
}

pub(super) fn convert(document: &Value) -> Result<ProductFootprint, Underivable> {
    let nodes = Nodes::of(document);
    let (product, company) = (nodes.product, nodes.company);
    let (identity, time) = (nodes.information.below("idAndVersion"), nodes.information.below("time"));
    let company_ids = urns(company.texts("companyIds"));
    let product_ids = urns(product.texts("productIds"));
    if company_ids.is_empty() {
        return Err(no_urn("companyIds"));
    }
    if product_ids.is_empty() {
        return Err(no_urn("productIds"));
    }
    Ok(ProductFootprint {
        id: identity.text("id").and_then(uuid).ok_or_else(|| missing("id"))?,
        spec_version: SPEC_VERSION,
        preceding_pf_ids: uuids(identity.texts("precedingPfIds")),
        created: time.need_instant("created", "created")?,
        status: identity.need("status", "status")?.to_owned(),
        validity_period_start: time.instant("validityPeriodStart", "validityPeriodStart")?,
        validity_period_end: time.instant("validityPeriodEnd", "validityPeriodEnd")?,
        company_name: company.need("companyName", "companyName")?.to_owned(),
        company_ids,
        product_description: product.need("productDescription", "productDescription")?.to_owned(),
        product_ids,
        product_classifications: urns(product.texts("productClassifications")),
        product_name_company: product.need("productNameCompany", "productNameCompany")?.to_owned(),
        comment: nodes.general.text("comment").map(str::to_owned),
        pcf: carbon(&nodes, time)?,
    })
}

fn carbon(nodes: &Nodes<'_>, time: Node<'_>) -> Result<CarbonFootprint, Underivable> {
    let (product, production) = (nodes.product, nodes.production);
    let geography = nodes.information.below("geography");
    let boundary = nodes.information.below("boundarySpecifications");
    let gwp = nodes.methodology.below("gwpCharacterizationFactorDetails");
    let factor = gwp.need("ipccCharacterizationFactors", "ipccCharacterizationFactors")?;
    let number = |node: Node<'_>, name: &'static str| node.need_number(name, name);
    Ok(CarbonFootprint {
        declared_unit_of_measurement: unit(product.need("declaredUnitOfMeasurement", "declaredUnitOfMeasurement")?)?,
        declared_unit_amount: number(product, "declaredUnitAmount")?,
        product_mass_per_declared_unit: number(product, "productMassPerDeclaredUnit")?,
        reference_period_start: time.need_instant("referencePeriodStart", "referencePeriodStart")?,
        reference_period_end: time.need_instant("referencePeriodEnd", "referencePeriodEnd")?,
        geography: Geography::of(
            geography.text("geographyRegionOrSubregion"),
            geography.text("geographyCountry"),
            geography.text("geographyCountrySubdivision"),
        )?,
        pcf_excluding_biogenic_uptake: number(production, "pcfExcludingBiogenicUptake")?,
        pcf_including_biogenic_uptake: number(production, "pcfIncludingBiogenicUptake")?,
        fossil_ghg_emissions: number(production, "fossilGhgEmissions")?,
        fossil_carbon_content: number(nodes.content, "fossilCarbonContent")?,
        ipcc_characterization_factors: factors(factor)?,
        cross_sectoral_standards: standards(nodes.methodology.below("standards").texts("crossSectoralStandards"))?,
        exempted_emissions_percent: number(boundary, "exemptedEmissionsPercent")?,
        more: open(nodes, boundary)?.into_members(),
    })
}

fn open(nodes: &Nodes<'_>, boundary: Node<'_>) -> Result<Open, Underivable> {
    let mut open = Open::default();
    let same = |names: &[&'static str]| names.iter().map(|name| (*name, *name)).collect::<Vec<_>>();
    open.numbers(
        nodes.content,
        &same(&["biogenicCarbonContent", "recycledCarbonContent"]),
    );
    open.numbers(
        nodes.production,
        &same(&[
            "landUseChangeGhgEmissions",
            "landManagementBiogenicCO2Emissions",
            "landManagementBiogenicCO2Removals",
            "biogenicCO2Uptake",
            "biogenicNonCO2Emissions",
            "aircraftGhgEmissions",
        ]),
    );
    let packed = nodes.packaging.flag("packagingEmissionsIncluded");
    open.put("packagingEmissionsIncluded", packed);
    if packed == Some(true) {
        open.numbers(
            nodes.packaging,
            &[("packagingGhgEmissions", "packagingPcfExcludingBiogenicUptake")],
        );
        open.numbers(nodes.content, &same(&["packagingBiogenicCarbonContent"]));
    }
    let technology = nodes.information.below("technology");
    let captured = "ccsTechnologicalCO2CaptureIncluded";
    open.put(captured, technology.flag(captured));
    for (node, name) in [
        (technology, "boundaryProcessesDescription"),
        (boundary, "exemptedEmissionsDescription"),
        (
            nodes.methodology.below("allocationInForeground"),
            "allocationRulesDescription",
        ),
    ] {
        open.put(name, node.text(name));
    }
    open.numbers(nodes.quality, &same(&["primaryDataShare"]));
    open.sources(sources(nodes.quality.texts("secondaryEmissionFactorSources"))?);
    open.quality(nodes.quality);
    Ok(open)
}
