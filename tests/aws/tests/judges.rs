//! Both judges. See the crate's own page.

use std::path::{Path, PathBuf};

use tidegate::bundle::{Bundle, Source};
use tidegate::iam::Isolation;
use tidegate::parity;
use tidegate_aws_tests::deployment::{Deployment, Plan};
use tidegate_aws_tests::requests::Turn;
use tidegate_aws_tests::{Failure, beyond, clients, corpus, differences, requests, simulate};

/// Where `tests/aws/run` says that the emulator listens.
const EMULATOR: &str = "TIDEGATE_EMULATOR";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

#[tokio::test]
async fn the_emulator_answers_as_the_iam_layer_does() -> Result<(), Failure> {
    let url =
        std::env::var(EMULATOR).map_err(|_| format!("{EMULATOR} is not set; start this test by `tests/aws/run`"))?;
    let bundle = Bundle::load(Source::built_in())?;
    let cases = parity::load(&fixtures())?;
    let mut plan = Plan::default();
    corpus::plan(&bundle, &cases, &mut plan);
    requests::plan(&bundle, &cases, &mut plan);
    beyond::plan(&bundle, &mut plan)?;
    let mut deployment = Deployment::create(&bundle, &url, &plan).await?;
    println!(
        "created: roles of {} tenants, {} secrets",
        plan.tenants.len(),
        plan.secrets.len()
    );

    let all = [
        corpus::judge(&mut deployment, &cases, Isolation::Role).await?,
        corpus::judge(&mut deployment, &cases, Isolation::Tags).await?,
        requests::judge(&mut deployment, &cases, Turn::First).await?,
        beyond::judge(&mut deployment).await?,
        requests::judge(&mut deployment, &cases, Turn::Last).await?,
    ];
    for verdicts in &all {
        println!("\n{verdicts}");
        assert!(!verdicts.judged.is_empty(), "nothing was asked: {}", verdicts.title);
    }

    let listed = differences::load(&fixtures().join("emulator-differences.json"))?;
    for class in &listed {
        println!("listed: {:>3} {}: {}", class.questions.len(), class.name, class.reason);
    }
    let judged: Vec<_> = all.into_iter().flat_map(|verdicts| verdicts.judged).collect();
    let findings = differences::findings(&listed, &judged);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    Ok(())
}

#[test]
fn most_isolation_cases_can_be_put_to_the_simulator() -> Result<(), Failure> {
    let cases = simulate::load(&fixtures().join("iam"))?;
    let expressible = cases.iter().filter(|case| case.caller().is_ok()).count();
    println!(
        "{expressible} of {} isolation cases can be put to AWS's simulator",
        cases.len()
    );
    assert!(expressible * 2 > cases.len(), "{expressible} of {}", cases.len());
    Ok(())
}

/// For whoever has an AWS account: `cargo test -p tidegate-aws-tests -- --ignored --nocapture`. It needs the permission
/// `iam:SimulateCustomPolicy` and changes nothing.
#[tokio::test]
#[ignore = "asks AWS itself, with the credentials of the environment"]
async fn aws_simulates_the_isolation_cases_as_expected() -> Result<(), Failure> {
    let cases = simulate::load(&fixtures().join("iam"))?;
    let simulated = simulate::judge(&clients::real_iam().await?, &cases).await?;
    println!("\n{} isolation cases\n{simulated}", cases.len());
    assert!(simulated.agree > 0, "nothing was asked");
    assert!(
        simulated.differ.is_empty(),
        "AWS answers otherwise than expected: see above"
    );
    Ok(())
}
