use proptest::prelude::*;

use super::*;
use crate::ids::{Bpnl, PcfId};
use crate::pcf::PartId;

const BASE: &str = "https://tidegate.example:8443/below";
const HOST: &str = "tidegate.example";

fn read(url: &str) -> Option<Address> {
    Address::read(BASE, Some(HOST), url)
}

fn any_address() -> impl Strategy<Value = Address> {
    let tenant = "[0-9A-Z]{12}".prop_map(|tail| TenantId(format!("BPNL{tail}").parse::<Bpnl>().unwrap()));
    let pcf = "[a-zA-Z0-9][a-zA-Z0-9-]{0,40}".prop_map(|id| Named::Footprint(id.parse::<PcfId>().unwrap()));
    // Whatever a company may have for a number.
    let part = "[!-~äß€][ -~äß€]{0,12}[!-~]".prop_map(|id| Named::Part(id.parse::<PartId>().unwrap()));
    (tenant, prop_oneof![pcf, part]).prop_map(|(tenant, named)| Address { tenant, named })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_address_reads_back_as_what_it_was_made_of_and_whatever_reads_has_been_made_so(address in any_address(), junk in "[ -~]{1,3}", at in any::<prop::sample::Index>()) {
        let url = address.url(BASE);
        prop_assert_eq!(read(&url), Some(address.clone()));
        let own = url.replacen("tidegate.example:8443/below/exchange/", "", 1);
        let (number, rest) = own.strip_prefix("https://").unwrap().split_at(16);
        let host = format!("https://{number}.tidegate.example:8443{rest}");
        prop_assert_eq!(read(&host), Some(address));
        // One character more, anywhere: another address, with one spelling of its own, or none.
        let mut changed = url.clone();
        changed.insert_str(at.index(url.len() + 1), &junk);
        if let Some(other) = read(&changed) {
            let spelled = other.url(BASE);
            let same = [spelled.clone(), format!("{spelled}/$value")].contains(&changed);
            prop_assert!(same || changed.starts_with(&format!("{spelled}?")), "{} is read as {}", changed, spelled);
        }
    }
}

#[test]
fn what_is_no_address_of_a_submodel_here_is_none() {
    let sound = "https://tidegate.example:8443/below/exchange/BPNL000000000DWF/pcf/3893/submodel";
    assert!(read(sound).is_some());
    assert!(read(&format!("{sound}/$value")).is_some());
    assert!(Address::read(BASE, None, sound).is_some());
    let asked = "https://tidegate.example:8443/below/exchange/BPNL000000000DWF/productIds/401765?requestId=x&dataModelVersion=y";
    assert!(read(asked).is_some());
    let wrong = [
        "",
        "/exchange/BPNL000000000DWF/pcf/3893/submodel",
        &sound.replace("https", "http"),
        &sound.replace("https", "HTTPS"),
        &sound.replace(":8443", ""),
        &sound.replace(":8443", ":8444"),
        &sound.replace("/below", ""),
        &sound.replace("https://", "https://user@"),
        &sound.replace("tidegate.example", "tidegate.example.evil.example"),
        &sound.replace(
            "tidegate.example:8443/below",
            "evil.example/tidegate.example:8443/below",
        ),
        &sound.replace("BPNL000000000DWF", "bpnl000000000dwf"),
        &sound.replace("BPNL000000000DWF", "BPNL000000000DW*"),
        &sound.replace("/pcf/", "//pcf/"),
        &sound.replace("/pcf/", "/../BPNL00000000B2CD/pcf/"),
        &sound.replace("3893", ""),
        &sound.replace("3893", "38%393"),
        &sound.replace("3893", "a/../3893"),
        &format!("{sound}/"),
        &format!("{sound}/$value/"),
        &format!("{sound}/%24value"),
        &format!("{sound}/$value?x=1"),
        &format!("{sound}?x=1"),
        &format!("{sound}#x"),
        &format!(" {sound}"),
        &sound.replace("/submodel", ""),
        &sound.replace("/submodel", "/submodels"),
        &asked.replace("requestId", "more"),
        &asked.replace("requestId=x&", "&"),
        &format!("{asked}#x"),
        &asked.replace("401765", "%34%30"),
        &asked.replace("401765", "a%2fb"),
        &asked.replace("401765", ""),
        &asked.replace("401765", "a/b"),
        &asked.replace("401765", "%ff"),
        "https://bpnl000000000dwf.tidegate.example/pcf/3893/submodel",
        "https://bpnl000000000dwf.evil.example:8443/pcf/3893/submodel",
        "https://bpnl000000000dwf.tidegate.example:8443/exchange/BPNL00000000B2CD/pcf/3893/submodel",
        "https://x.bpnl000000000dwf.tidegate.example:8443/pcf/3893/submodel",
        &format!("{sound}{}", "x".repeat(2_048)),
    ];
    for url in wrong {
        assert_eq!(read(url), None, "{url}");
    }
    assert!(read("https://bpnl000000000dwf.tidegate.example:8443/pcf/3893/submodel").is_some());
}
