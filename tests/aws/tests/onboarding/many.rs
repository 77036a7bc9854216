//! Two hundred companies come in one call.

use std::time::Instant;

use tidegate_aws_tests::Failure;

const MANY: usize = 200;

/// Each of them is active then and as it should be, and a second call changes nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `tests/aws/run --ignored two_hundred`"]
async fn two_hundred_companies_come_in_one_call() -> Result<(), Failure> {
    let (home, _platform, tidegate) = super::program::platform("543210987654", &[]).await?;
    let rows: String = (1..=MANY)
        .map(|number| format!("BPNL{number:012},Company {number}\n"))
        .collect();
    let table = home.path().join("companies.csv");
    std::fs::write(&table, format!("bpnl,name\n{rows}"))?;
    let table = table.display().to_string();
    let onboard = ["tenant", "onboard", "--csv", &table, "--operator", "ona"];
    let begin = Instant::now();
    let came = tidegate.ends(0, &onboard);
    println!("{MANY} companies came in {:.0?}", begin.elapsed());
    let all = format!("{MANY} onboarded, 0 kept, 0 differ, 0 failed");
    assert!(came.contains(&all), "{came}");
    let again = tidegate.ends(0, &onboard);
    let all = format!("0 onboarded, {MANY} kept, 0 differ, 0 failed");
    assert!(again.contains(&all), "{again}");
    let listed = tidegate.ends(0, &["tenant", "list", "--operator", "ona"]);
    assert_eq!(listed.matches("active").count(), MANY, "{listed}");
    Ok(())
}
