//! Names that stand for numbers: protocols and services.
//!
//! The tools ask `/etc/protocols` and `/etc/services`; a dump must read the same on every machine, so
//! the usual entries (netbase's) are kept here and other names are refused.

use crate::packet::Protocol;

/// Protocols that the tools know by themselves; the first name of a number is the one printed
/// (libxtables/xtables.c, `xtables_chain_protos`).
const BUILT_IN: [(&str, u8); 13] = [
    ("tcp", 6),
    ("sctp", 132),
    ("udp", 17),
    ("udplite", 136),
    ("icmp", 1),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("esp", 50),
    ("ah", 51),
    ("mobility-header", 135),
    ("ipv6-mh", 135),
    ("mh", 135),
    ("all", 0),
];

/// Protocols of `/etc/protocols`, by number.
const PROTOCOLS: [(&str, u8); 43] = [
    ("ip", 0),
    ("hopopt", 0),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("skip", 57),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("fc", 133),
    ("mpls-in-ip", 137),
    ("hip", 139),
    ("shim6", 140),
];

/// Services of `/etc/services`, by port.
const SERVICES: [(&str, u16); 97] = [
    ("tcpmux", 1),
    ("echo", 7),
    ("discard", 9),
    ("systat", 11),
    ("daytime", 13),
    ("netstat", 15),
    ("qotd", 17),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("mail", 25),
    ("time", 37),
    ("whois", 43),
    ("tacacs", 49),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("www", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("pop-3", 110),
    ("sunrpc", 111),
    ("portmapper", 111),
    ("auth", 113),
    ("ident", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("epmap", 135),
    ("loc-srv", 135),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("imap2", 143),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("snmptrap", 162),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("submissions", 465),
    ("ssmtp", 465),
    ("smtps", 465),
    ("isakmp", 500),
    ("exec", 512),
    ("login", 513),
    ("who", 513),
    ("shell", 514),
    ("syslog", 514),
    ("printer", 515),
    ("route", 520),
    ("rtsp", 554),
    ("nntps", 563),
    ("submission", 587),
    ("ipp", 631),
    ("ldaps", 636),
    ("rsync", 873),
    ("ftps-data", 989),
    ("ftps", 990),
    ("telnets", 992),
    ("imaps", 993),
    ("pop3s", 995),
    ("socks", 1080),
    ("openvpn", 1194),
    ("ms-sql-s", 1433),
    ("l2f", 1701),
    ("l2tp", 1701),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("nfs", 2049),
    ("svn", 3690),
    ("mysql", 3306),
    ("ms-wbt-server", 3389),
    ("sieve", 4190),
    ("ipsec-nat-t", 4500),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("xmpp-client", 5222),
    ("xmpp-server", 5269),
    ("mdns", 5353),
    ("postgresql", 5432),
    ("amqps", 5671),
    ("amqp", 5672),
    ("x11", 6000),
    ("redis", 6379),
    ("ircd", 6667),
    ("http-alt", 8080),
    ("webcache", 8080),
    ("git", 9418),
];

/// The protocol of a name, in lower case.
pub(super) fn protocol(name: &str) -> Option<Protocol> {
    BUILT_IN
        .iter()
        .chain(&PROTOCOLS)
        .find(|(known, _)| *known == name)
        .map(|(_, number)| Protocol(*number))
}

/// The name under which the tools print a protocol.
pub(super) fn protocol_name(protocol: Protocol) -> Option<&'static str> {
    BUILT_IN
        .iter()
        .chain(&PROTOCOLS)
        .find(|(_, number)| *number == protocol.0)
        .map(|(name, _)| *name)
}

/// The port of a service's name.
pub(super) fn service(name: &str) -> Option<u16> {
    SERVICES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, port)| *port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_print_under_a_name_that_reads_back() {
        for number in 0..=255 {
            let protocol_number = Protocol(number);
            if let Some(name) = protocol_name(protocol_number) {
                assert_eq!(protocol(name), Some(protocol_number), "{name}");
            }
        }
        assert_eq!(protocol_name(Protocol(4)), Some("ipencap"));
        assert_eq!(protocol_name(Protocol::ICMP6), Some("ipv6-icmp"));
        assert_eq!(protocol_name(Protocol(255)), None);
    }

    #[test]
    fn services_have_synonyms() {
        assert_eq!(service("www"), Some(80));
        assert_eq!(service("http"), Some(80));
        assert_eq!(service("nonesuch"), None);
    }
}
