//! What the parser makes of sets is what the real ipset makes of them.

use std::error::Error;
use std::fs;

use calidiff::kernel::Namespace;
use calidiff::xtables::ipset;
use libtest_mimic::Trial;

use crate::restore::{corpus, run};
use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("sets::every_kind_prints_alike", every_kind_prints_alike),
        trial(
            "sets::the_reference_prints_alike",
            the_reference_prints_alike,
        ),
        trial(
            "sets::refusals_are_the_tools_own",
            refusals_are_the_tools_own,
        ),
    ]
}

/// Sets of every kind, a group a kind: kernels lack some, and those groups are left out there.
const KINDS: [&str; 18] = [
    "create bitmap bitmap:ip range 10.0.0.0-10.0.0.255 timeout 0 counters comment
     add bitmap 10.0.0.1 comment \"a b \\ c\"
     add bitmap 10.0.0.4-10.0.0.6",
    "create bitmap_net bitmap:ip range 10.0.0.0/16 netmask 24
     add bitmap_net 10.0.3.0",
    "create bitmap_mac bitmap:ip,mac range 10.1.0.0/24
     add bitmap_mac 10.1.0.3,00:11:22:aa:BB:cc
     add bitmap_mac 10.1.0.4",
    "create ports bitmap:port range 0-1024
     add ports 80
     add ports 100-102
     add ports ssh",
    "create ip hash:ip netmask 24
     add ip 10.1.1.1",
    "create ip6 hash:ip family inet6 hashsize 64 maxelem 128 bucketsize 8 forceadd
     add ip6 fd00::1",
    "create ip_mac hash:ip,mac
     add ip_mac 10.0.0.1,00:11:22:33:44:55",
    "create mac hash:mac
     add mac 00:11:22:33:44:55",
    "create ip_mark hash:ip,mark markmask 0xffff
     add ip_mark 10.0.0.1,0x12
     add ip_mark 10.0.0.1,300",
    "create ip_port hash:ip,port timeout 0 skbinfo
     add ip_port 10.0.0.1,80 skbmark 0x1/0xff skbprio 1:10 skbqueue 3
     add ip_port 10.0.0.1,udp:53
     add ip_port 10.0.0.1,icmp:8/0
     add ip_port 10.0.0.1,icmp:echo-reply
     add ip_port 10.0.0.1,icmp:3/99
     add ip_port 10.0.0.1,47:0
     add ip_port 10.0.0.1,udplite:5
     add ip_port 10.0.0.1,sctp:5
     add ip_port 10.0.0.2,tcp:80-82
     add ip_port 10.0.0.3,tcp:ssh",
    "create ip_port6 hash:ip,port family inet6
     add ip_port6 fd00::1,icmpv6:128/0
     add ip_port6 fd00::1,icmpv6:no-route
     add ip_port6 fd00::1,tcp:5",
    "create ip_port_ip hash:ip,port,ip counters
     add ip_port_ip 10.0.0.1,tcp:80,10.0.0.2 packets 3 bytes 400",
    "create ip_port_net hash:ip,port,net
     add ip_port_net 10.0.0.1,tcp:80,10.0.0.0/8
     add ip_port_net 10.0.0.1,tcp:80,10.1.0.0/16 nomatch",
    "create net hash:net comment timeout 0 counters
     add net 10.0.0.0/8
     add net 10.1.3.4/16 timeout 0 nomatch comment \"not these\"
     add net 1.2.3.4
     add net 9.0.0.0-9.0.0.5
     add net 11.0.0.0/8
     del net 11.0.0.0/8",
    "create net6 hash:net family inet6
     add net6 fd00::1/8",
    "create net_port hash:net,port
     add net_port 10.0.0.0/8,tcp:80
     create net_net hash:net,net
     add net_net 10.0.0.0/8,11.0.0.0/8
     create net_port_net hash:net,port,net
     add net_port_net 10.0.0.0/8,tcp:80,11.0.0.0/24",
    "create net_iface hash:net,iface
     add net_iface 10.0.0.0/8,eth0
     add net_iface 10.0.0.0/8,physdev:eth1 nomatch
     add net_iface 0.0.0.0/0,cali wildcard",
    "create one hash:ip
     create other hash:net
     create list list:set size 16 timeout 0
     add list other
     add list one before other",
];

fn every_kind_prints_alike() -> Result<(), Box<dyn Error>> {
    let mut compared = 0;
    for group in KINDS {
        let _namespace = Namespace::create()?;
        match run("ipset", &["restore"], group) {
            Ok(_) => compared += 1,
            Err(message) if message.contains("not supported") => continue,
            Err(message) => return Err(format!("{message}\n{group}").into()),
        }
        let saved = run("ipset", &["save"], "")?;
        let sets = ipset::parse("saved", &saved)?;
        assert_eq!(ipset::print_save(&sets), saved);
        let listed = run("ipset", &["list"], "")?;
        assert_eq!(ipset::parse("listed", &listed)?, sets);
        assert_eq!(ipset::parse("our list", &ipset::print_list(&sets))?, sets);
        let by_hand = ipset::print_save(&ipset::parse("by hand", group)?);
        assert_eq!(reload(&by_hand)?, reload(group)?, "{by_hand}");
    }
    assert!(compared >= 12, "this kernel has {compared} groups only");
    Ok(())
}

/// What a fresh namespace has of a text, in an order that hangs on no hash.
fn reload(text: &str) -> Result<String, Box<dyn Error>> {
    let _namespace = Namespace::create()?;
    run("ipset", &["restore"], text)?;
    let saved = run("ipset", &["-sorted", "save"], "")?;
    // The hash's seed is the kernel's own choice.
    let seedless = saved
        .lines()
        .map(|line| match line.split_once(" initval ") {
            Some((before, _)) => format!("{before}\n"),
            None => format!("{line}\n"),
        });
    Ok(seedless.collect())
}

fn the_reference_prints_alike() -> Result<(), Box<dyn Error>> {
    let Some(reference) = corpus().map(|corpus| corpus.join("../reference/reference.ipset")) else {
        return Ok(());
    };
    let Ok(text) = fs::read_to_string(&reference) else {
        eprintln!("{} is not there", reference.display());
        return Ok(());
    };
    let reprint = ipset::print_save(&ipset::parse("reference.ipset", &text)?);
    assert_eq!(reload(&reprint)?, reload(&text)?);
    Ok(())
}

/// Texts that ipset refuses, and words of our own refusal.
const REFUSED: [(&str, &str); 9] = [
    (
        "create a hash:nonesuch",
        "a:1:10: `hash:nonesuch` is no kind of set",
    ),
    ("add a 10.0.0.1", "a:1:5: `a` is no set up to here"),
    (
        "create a hash:ip\ncreate a hash:ip",
        "a:2:8: `a` is there already",
    ),
    (
        "create a hash:ip\nadd a 10.0.0.1\nadd a 10.0.0.1",
        "is in the set already",
    ),
    (
        "create a hash:ip\nadd a fd00::1",
        "expected an IPv4 address",
    ),
    (
        "create a hash:ip,port\nadd a 10.0.0.1",
        "an element of 2 parts, for hash:ip,port",
    ),
    (
        "create a hash:ip,port\nadd a 10.0.0.1,gre:7",
        "0 behind the `:`",
    ),
    ("create a hash:ip frobnicate 7", "is no option of a set"),
    (
        "create a hash:ip comment\nadd a 10.0.0.1 comment \"x",
        "this quote is not closed",
    ),
];

fn refusals_are_the_tools_own() -> Result<(), Box<dyn Error>> {
    for (text, words) in REFUSED {
        let error = ipset::parse("a", text).expect_err(text).to_string();
        assert!(error.contains(words), "{error}");
        let _namespace = Namespace::create()?;
        assert!(
            run("ipset", &["restore"], text).is_err(),
            "ipset takes {text}"
        );
    }
    Ok(())
}
