//! Each match, as its file in net/netfilter answers.

use calidiff::packet::{Family, Protocol};
use calidiff::xtables::matches::PortRange;
use calidiff::xtables::set::{Dimension, Element, Method, Part, Set};

use super::Case;

/// Whether a packet matches a rule in mangle FORWARD.
fn matches(question: &str, packet: &str) -> bool {
    holds(&Case::v4(&rule(question)), packet)
}

fn rule(question: &str) -> String {
    format!("*mangle\n-A FORWARD {question} -j MARK --set-mark 0x1\nCOMMIT\n")
}

fn holds(case: &Case, packet: &str) -> bool {
    match case.end(packet).rsplit(' ').next() {
        Some("0x1") => true,
        Some("0x0") => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ports_flags_and_options() {
    let syn = "in=eth0 tcp 10.99.0.9:1000 > 10.65.0.2:80";
    assert!(matches("-p tcp --dport 80", syn));
    assert!(!matches("-p tcp --dport 81:90", syn));
    assert!(matches("-p tcp ! --sport 1:999", syn));
    assert!(matches("-p tcp --syn", syn));
    assert!(!matches("-p tcp --syn", &format!("{syn} flags=SYN,ACK")));
    assert!(matches(
        "-p tcp --tcp-flags ALL NONE",
        &format!("{syn} flags=none")
    ));
    assert!(matches("-p tcp --tcp-option 8", &format!("{syn} option=8")));
    assert!(matches("-p tcp ! --tcp-option 8", syn));
    // `! --dport 0:65535` never matches (KERNEL: legacy).
    assert!(!matches("-p tcp ! --dport 0:65535", syn));
    assert!(matches("-p tcp -m multiport --ports 5,1000", syn));
    assert!(!matches("-p tcp -m multiport ! --dports 70:90", syn));
    assert!(matches("! -p udp", syn));
}

// hotdrop in xt_tcpudp.c and xt_multiport.c.
#[test]
fn a_header_cut_short_ends_the_packet() {
    let cut = "in=eth0 udp 10.99.0.9:1000 > 10.65.0.2:53 bad=truncated:6";
    let udp = Case::v4(&rule("-p udp --dport 53"));
    assert_eq!(udp.end(cut), "dropped FORWARD entry 0x0");
    // multiport reads four bytes only.
    assert!(matches("-p udp -m multiport --dports 53", cut));
}

#[test]
fn interfaces_by_name_and_beginning() {
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1";
    for (question, expected) in [
        ("-i eth0", true),
        ("-i eth", false),
        ("-i eth+", true),
        ("-o cali+", true),
        ("! -o cali1", false),
        ("-i eth01", false),
    ] {
        assert_eq!(matches(question, packet), expected, "{question}");
    }
}

#[test]
fn addresses() {
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1";
    for (question, expected) in [
        ("-s 10.99.0.0/16", true),
        ("! -d 10.65.0.2", false),
        ("-s 10.0.0.9/255.0.0.255", true),
        ("-m iprange --src-range 10.99.0.9-10.99.0.10", true),
        ("-m iprange ! --dst-range 10.65.0.0-10.65.0.1", true),
        ("-m addrtype --src-type UNICAST", true),
        ("-m addrtype --dst-type LOCAL", false),
        ("-m addrtype ! --dst-type LOCAL", true),
    ] {
        assert_eq!(matches(question, packet), expected, "{question}");
    }
}

#[test]
fn lengths_hops_and_classes() {
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 len=72 ttl=10 tos=0x48";
    for (question, expected) in [
        ("-m length --length 100", true),
        ("-m length ! --length 0:99", true),
        // FORWARD sees one hop less.
        ("-m ttl --ttl-eq 9", true),
        ("-m ttl --ttl-gt 9", false),
        ("-m dscp --dscp 0x12", true),
        ("-m tos --tos 0x08/0x0f", true),
        ("-m pkttype --pkt-type unicast", true),
        ("-m mac ! --mac-source 00:00:00:00:00:01", false),
        ("-m physdev ! --physdev-is-bridged", true),
        ("-m physdev --physdev-is-bridged", false),
        ("-m policy --dir in --pol none", true),
    ] {
        assert_eq!(matches(question, packet), expected, "{question}");
    }
}

// net/ipv6/netfilter/ip6t_rt.c, `rt_mt6`: without the header the answer is no before `!` is looked at.
#[test]
fn no_packet_has_a_routing_header() {
    let packet = "in=eth0 udp [fd00:99::9]:1 > [fd00:65::2]:1";
    for question in ["-m rt", "-m rt --rt-type 0", "-m rt ! --rt-type 0"] {
        assert!(!holds(&Case::v6(&rule(question)), packet), "{question}");
    }
}

#[test]
fn icmp_types() {
    let echo = "in=eth0 icmp 10.99.0.9 > 10.65.0.2 type=8/0";
    assert!(matches("-p icmp --icmp-type echo-request", echo));
    assert!(matches("-p icmp --icmp-type any", echo));
    assert!(!matches("-p icmp ! --icmp-type 8", echo));
    assert!(!matches("-p icmp --icmp-type 8/1", echo));
}

#[test]
fn text_is_found_in_the_payload() {
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 payload=4142434445";
    assert!(matches("-m string --algo bm --string BCD", packet));
    assert!(!matches("-m string --algo bm --string XYZ", packet));
    assert!(matches("-m string --algo kmp --icase --string bcd", packet));
    // The payload begins at 28; a window that ends inside the text misses it.
    assert!(!matches("-m string --algo bm --string BCD --to 31", packet));
    assert!(matches("-m string --algo bm --string BCD --to 32", packet));
}

fn set(dimensions: &[Dimension], elements: Vec<(Vec<Part>, bool)>) -> Set {
    Set {
        name: "s".to_owned(),
        method: Method::Hash,
        dimensions: dimensions.to_vec(),
        family: Family::V4,
        netmask: None,
        markmask: None,
        range: None,
        options: Vec::new(),
        elements: elements
            .into_iter()
            .map(|(parts, nomatch)| Element {
                parts,
                nomatch,
                extensions: Vec::new(),
            })
            .collect(),
    }
}

fn net(text: &str) -> Part {
    Part::Net(text.parse().unwrap())
}

fn in_set(set: Set, question: &str, packet: &str) -> bool {
    let mut rules = Case::bare().set(set);
    rules.firewall.v4 = super::parse(&rule(question), Family::V4);
    holds(&rules, packet)
}

#[test]
fn the_most_specific_network_decides() {
    let exceptions = || {
        set(
            &[Dimension::Net],
            vec![
                (vec![net("10.99.0.0/16")], false),
                (vec![net("10.99.0.0/24")], true),
                (vec![net("10.99.0.9/32")], false),
            ],
        )
    };
    let from = |source: &str| format!("in=eth0 udp {source}:1 > 10.65.0.2:1");
    let question = "-m set --match-set s src";
    assert!(in_set(exceptions(), question, &from("10.99.1.1")));
    assert!(!in_set(exceptions(), question, &from("10.99.0.1")));
    assert!(in_set(exceptions(), question, &from("10.99.0.9")));
    assert!(!in_set(exceptions(), question, &from("10.98.0.1")));
    let turned = "-m set --match-set s src --return-nomatch";
    assert!(in_set(exceptions(), turned, &from("10.99.0.1")));
    assert!(!in_set(exceptions(), turned, &from("10.99.1.1")));
}

#[test]
fn sets_of_services() {
    let services = || {
        let port = |protocol, port| {
            let ports = PortRange {
                first: port,
                last: port,
            };
            Part::Port(Some(protocol), ports)
        };
        set(
            &[Dimension::Ip, Dimension::Port],
            vec![
                (vec![net("10.65.0.2/32"), port(Protocol::TCP, 80)], false),
                (
                    vec![net("10.65.0.2/32"), Part::Icmp(Protocol::ICMP, 8, 0)],
                    false,
                ),
            ],
        )
    };
    let question = "-m set --match-set s dst,dst";
    let tcp = "in=eth0 tcp 10.99.0.9:80 > 10.65.0.2:80";
    assert!(in_set(services(), question, tcp));
    assert!(!in_set(
        services(),
        question,
        "in=eth0 udp 10.99.0.9:80 > 10.65.0.2:80"
    ));
    assert!(in_set(
        services(),
        question,
        "in=eth0 icmp 10.99.0.9 > 10.65.0.2 type=8/0"
    ));
    assert!(!in_set(services(), "-m set --match-set s src,dst", tcp));
    // Too few dimensions never match, and so always match negated (`ip_set_test`).
    assert!(!in_set(services(), "-m set --match-set s dst", tcp));
    assert!(in_set(services(), "-m set ! --match-set s dst", tcp));
}

#[test]
fn sets_of_interfaces_stop_at_the_longest_prefix() {
    let interface = |name: &str| Part::Interface {
        name: name.parse().unwrap(),
        physdev: false,
    };
    let links = || {
        set(
            &[Dimension::Net, Dimension::Interface],
            vec![
                (vec![net("10.99.0.0/16"), interface("eth0")], false),
                (vec![net("10.99.0.0/24"), interface("tunl0")], false),
            ],
        )
    };
    let question = "-m set --match-set s src,src";
    assert!(in_set(
        links(),
        question,
        "in=eth0 udp 10.99.1.1:1 > 10.65.0.2:1"
    ));
    // ip_set_hash_netiface.c: the /24 is there, by another interface, and ends the search.
    assert!(!in_set(
        links(),
        question,
        "in=eth0 udp 10.99.0.1:1 > 10.65.0.2:1"
    ));
}

#[test]
fn the_reverse_path() {
    let case = |options: &str| {
        Case::v4(&format!(
            "*raw\n-A PREROUTING -m rpfilter {options} -j MARK --set-mark 0x1\nCOMMIT\n"
        ))
    };
    let good = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1";
    let spoofed = "in=cali1 udp 10.99.0.9:1 > 10.98.0.1:1";
    assert!(holds(&case(""), good));
    assert!(!holds(&case(""), spoofed));
    assert!(holds(&case("--loose"), spoofed));
    assert!(holds(&case("--invert"), spoofed));
    assert!(holds(
        &case(""),
        "in=cali1 udp 0.0.0.0:68 > 255.255.255.255:67"
    ));
}

#[test]
fn the_owner() {
    let case = |options: &str| {
        Case::v4(&format!(
            "*mangle\n-A OUTPUT -m owner {options} -j MARK --set-mark 0x1\nCOMMIT\n"
        ))
    };
    let own = "from=node udp 192.168.7.1:1 > 10.99.0.9:1";
    assert!(holds(&case("--uid-owner 0"), own));
    assert!(!holds(&case("--uid-owner 1-99"), own));
    assert!(holds(&case("! --gid-owner 5"), own));
    assert!(holds(&case("--socket-exists"), own));
    assert!(!holds(&case("! --socket-exists"), own));
}
