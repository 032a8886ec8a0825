//! The ground and the small rulesets on which model and kernel are compared.

use super::rules::Rules;

/// Interfaces with one address, two, and none; each setting and each kind of route once.
pub const NODE: &str = "
name: node
interfaces:
- {name: cali1, reverse_path: strict, route_localnet: true}
- {name: eth0, addresses: [192.168.7.1/24, 192.168.7.5/24, '2001:db8:7::1/64']}
- {name: eth1, addresses: [172.16.1.1/30, 'fd00:16::1/112'], reverse_path: loose}
- {name: tunl0}
routes:
- {destination: 10.65.0.2/32, to: !unicast {interface: cali1}}
- {destination: 10.99.0.0/16, to: !unicast {interface: eth0, via: 192.168.7.9}}
- {destination: 10.98.0.0/16, to: !unicast {interface: tunl0}}
- {destination: 10.1.0.0/16, to: blackhole}
- {destination: 10.2.0.0/16, to: unreachable}
- {destination: 10.3.0.0/16, to: prohibit}
- {destination: 'fd00:65::2/128', to: !unicast {interface: cali1}}
- {destination: 'fd00:99::/32', to: !unicast {interface: eth0, via: '2001:db8:7::9'}}
- {destination: 'fd00:1::/32', to: blackhole}
- {destination: 'fd00:2::/32', to: unreachable}
- {destination: 'fd00:3::/32', to: prohibit}
";

pub const ROUTING: &[Rules] = &[
    Rules::v4("no rules", ""),
    Rules::v4(
        "addresses that routing is choosy about",
        "*mangle
-A PREROUTING -s 10.65.0.2 -j MARK --or-mark 0x1
-A PREROUTING -s 127.0.0.1 -j MARK --or-mark 0x2
-A PREROUTING -d 127.0.0.1 -j MARK --or-mark 0x4
-A PREROUTING -d 10.1.2.3 -j MARK --or-mark 0x8
-A PREROUTING -d 10.2.2.3 -j MARK --or-mark 0x10
-A PREROUTING -d 10.3.2.3 -j MARK --or-mark 0x20
-A PREROUTING -d 9.9.9.9 -j MARK --or-mark 0x40
-A PREROUTING -d 224.0.0.1 -j MARK --or-mark 0x80
-A PREROUTING -d 192.168.7.255 -j MARK --or-mark 0x100
-A PREROUTING -d 255.255.255.255 -j MARK --or-mark 0x200
-A OUTPUT -d 172.16.1.3 -j MARK --or-mark 0x400
-A OUTPUT -d 0.0.0.0/32 -j MARK --or-mark 0x800
COMMIT
",
    )
    .v6("*mangle
-A PREROUTING -s fe80::1 -j MARK --or-mark 0x1
-A PREROUTING -d fe80::1 -j MARK --or-mark 0x2
-A PREROUTING -d ff02::1 -j MARK --or-mark 0x4
-A PREROUTING -d ff02::2 -j MARK --or-mark 0x8
-A PREROUTING -d fd00:1::5 -j MARK --or-mark 0x10
-A PREROUTING -d fd00:2::5 -j MARK --or-mark 0x20
-A PREROUTING -d fd00:3::5 -j MARK --or-mark 0x40
-A PREROUTING -d 2001:db8:7:: -j MARK --or-mark 0x80
-A PREROUTING -s ::/128 -j MARK --or-mark 0x100
-A PREROUTING -d ::/128 -j MARK --or-mark 0x200
-A PREROUTING -s ::ffff:10.0.0.1 -j MARK --or-mark 0x400
-A PREROUTING -d fd00:16::ffff -j MARK --or-mark 0x800
COMMIT
"),
];

pub const CHAINS: &[Rules] = &[
    Rules::v4(
        "jumps, gotos and returns",
        "*filter
:FORWARD DROP
:a -
:b -
:c -
-A INPUT -m mark --mark 0x1/0x1 -j RETURN
-A INPUT -j a
-A FORWARD -i eth0 -g b
-A FORWARD -j a
-A FORWARD -p tcp -j ACCEPT
-A OUTPUT -j c
-A OUTPUT -m mark ! --mark 0x0/0xf0 -j DROP
-A a -p udp -g c
-A a -j MARK --xor-mark 0x10
-A a -o tunl0 -j ACCEPT
-A b -j c
-A b -p icmp -j ACCEPT
-A b -p tcp --dport 80 -j RETURN
-A b -j MARK --set-xmark 0x100/0xf00
-A c -m mark --mark 0x10/0x10 -j RETURN
-A c -j MARK --or-mark 0x20
COMMIT
",
    ),
    // iptables-nft has the security table at 150, behind nat's 100 (iptables/nft.c).
    Rules::v4(
        "the security table in INPUT",
        "*nat
-A INPUT -m mark --mark 0x1 -j MARK --or-mark 0x2
COMMIT
*security
-A INPUT -j MARK --or-mark 0x1
COMMIT
",
    ),
    Rules::v4(
        "all tables at all hooks",
        "*raw
-A PREROUTING -j MARK --or-mark 0x1
-A OUTPUT -j MARK --or-mark 0x2
COMMIT
*mangle
-A PREROUTING -j MARK --or-mark 0x4
-A INPUT -j MARK --or-mark 0x8
-A FORWARD -j MARK --or-mark 0x10
-A OUTPUT -j MARK --or-mark 0x20
-A POSTROUTING -j MARK --or-mark 0x40
COMMIT
*nat
-A PREROUTING -j MARK --or-mark 0x80
-A INPUT -j MARK --or-mark 0x100
-A OUTPUT -j MARK --or-mark 0x200
-A POSTROUTING -j MARK --or-mark 0x400
COMMIT
*filter
-A INPUT -j MARK --or-mark 0x800
-A FORWARD -j MARK --or-mark 0x1000
-A OUTPUT -j MARK --or-mark 0x2000
COMMIT
*security
-A FORWARD -j MARK --or-mark 0x8000
-A OUTPUT -j MARK --or-mark 0x10000
COMMIT
",
    )
    .v6("*raw
-A PREROUTING -j MARK --or-mark 0x1
-A OUTPUT -j MARK --or-mark 0x2
COMMIT
*mangle
-A PREROUTING -j MARK --or-mark 0x4
-A INPUT -j MARK --or-mark 0x8
-A FORWARD -j MARK --or-mark 0x10
-A OUTPUT -j MARK --or-mark 0x20
-A POSTROUTING -j MARK --or-mark 0x40
COMMIT
*nat
-A PREROUTING -j MARK --or-mark 0x80
-A INPUT -j MARK --or-mark 0x100
-A OUTPUT -j MARK --or-mark 0x200
-A POSTROUTING -j MARK --or-mark 0x400
COMMIT
*filter
-A INPUT -j MARK --or-mark 0x800
-A FORWARD -j MARK --or-mark 0x1000
-A OUTPUT -j MARK --or-mark 0x2000
COMMIT
"),
];

pub const MATCHES: &[Rules] = &[
    Rules::v4(
        "tcp",
        "*mangle
-A PREROUTING -p tcp --dport 80:90 -j MARK --or-mark 0x1
-A PREROUTING -p tcp ! --sport 1000 -j MARK --or-mark 0x2
-A PREROUTING -p tcp --syn -j MARK --or-mark 0x4
-A PREROUTING -p tcp --tcp-flags SYN,RST,ACK SYN,ACK -j MARK --or-mark 0x8
-A PREROUTING -p tcp ! --tcp-flags FIN,PSH FIN -j MARK --or-mark 0x10
-A PREROUTING -p tcp --tcp-option 2 -j MARK --or-mark 0x20
-A PREROUTING -p tcp ! --tcp-option 8 -j MARK --or-mark 0x40
-A PREROUTING -p tcp -m multiport --ports 80,443,1000:2000 -j MARK --or-mark 0x80
-A PREROUTING -p tcp -m multiport ! --dports 80,443 -j MARK --or-mark 0x100
COMMIT
",
    )
    .v6("*mangle
-A PREROUTING -p tcp --dport 80:90 -j MARK --or-mark 0x1
-A PREROUTING -p tcp ! --syn -j MARK --or-mark 0x2
-A PREROUTING -p tcp --tcp-option 2 -j MARK --or-mark 0x4
-A PREROUTING -p tcp -m multiport --sports 80,443 -j MARK --or-mark 0x8
COMMIT
"),
    Rules::v4(
        "other transports",
        "*mangle
-A PREROUTING -p udp --dport 53 -j MARK --or-mark 0x1
-A PREROUTING -p udp ! --sport 53:100 -j MARK --or-mark 0x2
-A PREROUTING -p udplite -m multiport --dports 53 -j MARK --or-mark 0x4
-A PREROUTING -p sctp --dport 53 -j MARK --or-mark 0x8
-A PREROUTING -p sctp --chunk-types any INIT,DATA -j MARK --or-mark 0x10
-A PREROUTING -p sctp ! --chunk-types only INIT -j MARK --or-mark 0x20
-A PREROUTING -p sctp --chunk-types all HEARTBEAT -j MARK --or-mark 0x40
-A PREROUTING -p icmp --icmp-type 8 -j MARK --or-mark 0x80
-A PREROUTING -p icmp ! --icmp-type 3/1 -j MARK --or-mark 0x100
-A PREROUTING -p icmp --icmp-type any -j MARK --or-mark 0x200
-A PREROUTING -p 47 -j MARK --or-mark 0x400
-A PREROUTING ! -p tcp -j MARK --or-mark 0x800
COMMIT
",
    )
    .v6("*mangle
-A PREROUTING -p udp --dport 53 -j MARK --or-mark 0x1
-A PREROUTING -p sctp --chunk-types any INIT,DATA -j MARK --or-mark 0x2
-A PREROUTING -p icmpv6 --icmpv6-type 128 -j MARK --or-mark 0x4
-A PREROUTING -p icmpv6 ! --icmpv6-type 1/4 -j MARK --or-mark 0x8
-A PREROUTING ! -p icmpv6 -j MARK --or-mark 0x10
-A PREROUTING -p 59 -j MARK --or-mark 0x20
COMMIT
"),
    Rules::v4(
        "addresses, interfaces and fragments",
        "*mangle
-A PREROUTING -s 10.99.0.0/16 -j MARK --or-mark 0x1
-A PREROUTING ! -d 192.168.7.0/24 -j MARK --or-mark 0x2
-A PREROUTING -s 10.0.0.9/255.0.0.255 -j MARK --or-mark 0x4
-A PREROUTING -i eth+ -j MARK --or-mark 0x8
-A PREROUTING ! -i eth0 -j MARK --or-mark 0x10
-A PREROUTING -f -j MARK --or-mark 0x20
-A PREROUTING ! -f -j MARK --or-mark 0x40
-A PREROUTING -m iprange --src-range 10.99.0.1-10.99.0.20 -j MARK --or-mark 0x80
-A PREROUTING -m iprange ! --dst-range 10.65.0.0-10.65.0.9 -j MARK --or-mark 0x100
-A FORWARD -i eth0 -o cali+ -j MARK --or-mark 0x200
-A POSTROUTING -o eth0 -j MARK --or-mark 0x400
-A POSTROUTING ! -o eth+ -j MARK --or-mark 0x800
COMMIT
",
    ),
    Rules::v4(
        "an in interface behind POSTROUTING",
        "*mangle
:a -
-A POSTROUTING -j a
-A a -i eth+ -j MARK --or-mark 0x1
-A a ! -i cali1 -j MARK --or-mark 0x2
COMMIT
",
    ),
    Rules::v4(
        "types of addresses",
        "*mangle
-A PREROUTING -m addrtype --src-type LOCAL -j MARK --or-mark 0x1
-A PREROUTING -m addrtype --dst-type LOCAL -j MARK --or-mark 0x2
-A PREROUTING -m addrtype --dst-type BROADCAST -j MARK --or-mark 0x4
-A PREROUTING -m addrtype --dst-type MULTICAST,UNICAST -j MARK --or-mark 0x8
-A PREROUTING -m addrtype ! --src-type UNICAST --dst-type LOCAL -j MARK --or-mark 0x10
-A PREROUTING -m addrtype --dst-type LOCAL --limit-iface-in -j MARK --or-mark 0x20
-A OUTPUT -m addrtype --src-type LOCAL --limit-iface-out -j MARK --or-mark 0x40
-A OUTPUT -m addrtype --dst-type LOCAL --limit-iface-out -j MARK --or-mark 0x80
-A FORWARD -m addrtype --dst-type BLACKHOLE,PROHIBIT,UNREACHABLE -j MARK --or-mark 0x100
COMMIT
",
    )
    .v6("*mangle
-A PREROUTING -m addrtype --src-type LOCAL -j MARK --or-mark 0x1
-A PREROUTING -m addrtype --dst-type LOCAL -j MARK --or-mark 0x2
-A PREROUTING -m addrtype --dst-type UNICAST -j MARK --or-mark 0x4
-A PREROUTING -m addrtype --dst-type MULTICAST -j MARK --or-mark 0x8
-A PREROUTING -m addrtype --dst-type ANYCAST -j MARK --or-mark 0x10
-A PREROUTING -m addrtype --src-type UNREACHABLE -j MARK --or-mark 0x20
-A PREROUTING -m addrtype --dst-type UNICAST,LOCAL -j MARK --or-mark 0x40
-A PREROUTING -m addrtype ! --dst-type UNSPEC -j MARK --or-mark 0x80
-A PREROUTING -m addrtype --dst-type LOCAL --limit-iface-in -j MARK --or-mark 0x100
COMMIT
"),
    Rules::v4(
        "the reverse path",
        "*raw
-A PREROUTING -m rpfilter -j MARK --or-mark 0x1
-A PREROUTING -m rpfilter --loose -j MARK --or-mark 0x2
-A PREROUTING -m rpfilter --accept-local -j MARK --or-mark 0x4
-A PREROUTING -m rpfilter --loose --accept-local -j MARK --or-mark 0x8
-A PREROUTING -m rpfilter --validmark --invert -j MARK --or-mark 0x10
COMMIT
",
    )
    .v6("*raw
-A PREROUTING -m rpfilter -j MARK --or-mark 0x1
-A PREROUTING -m rpfilter --loose -j MARK --or-mark 0x2
-A PREROUTING -m rpfilter --accept-local -j MARK --or-mark 0x4
-A PREROUTING -m rpfilter --validmark --invert -j MARK --or-mark 0x10
COMMIT
"),
    Rules::v4(
        "owners, lengths, classes and hops",
        "*mangle
-A OUTPUT -m owner --uid-owner 0 -j MARK --or-mark 0x1
-A OUTPUT -m owner ! --gid-owner 5 -j MARK --or-mark 0x2
-A OUTPUT -m owner --socket-exists -j MARK --or-mark 0x4
-A POSTROUTING -m owner ! --socket-exists -j MARK --or-mark 0x8
-A POSTROUTING -m owner ! --uid-owner 7 -j MARK --or-mark 0x10
-A POSTROUTING -m length --length 28:60 -j MARK --or-mark 0x20
-A POSTROUTING -m length ! --length 40 -j MARK --or-mark 0x40
-A POSTROUTING -m dscp --dscp 0x12 -j MARK --or-mark 0x80
-A POSTROUTING -m tos ! --tos 0x10/0x3f -j MARK --or-mark 0x100
-A POSTROUTING -m ttl --ttl-gt 62 -j MARK --or-mark 0x200
-A POSTROUTING -m ttl ! --ttl-eq 63 -j MARK --or-mark 0x400
-A POSTROUTING -m pkttype --pkt-type unicast -j MARK --or-mark 0x800
-A POSTROUTING -m pkttype ! --pkt-type broadcast -j MARK --or-mark 0x1000
COMMIT
*filter
-A FORWARD -m mac ! --mac-source 00:00:00:00:00:01 -j MARK --or-mark 0x2000
-A FORWARD -m physdev ! --physdev-is-bridged -j MARK --or-mark 0x4000
-A INPUT -m pkttype --pkt-type multicast -j MARK --or-mark 0x8000
-A INPUT -m policy --dir in --pol none -j MARK --or-mark 0x10000
-A INPUT -m policy --dir in --pol ipsec -j MARK --or-mark 0x20000
COMMIT
",
    )
    .v6("*mangle
-A OUTPUT -m owner --uid-owner 0 -j MARK --or-mark 0x1
-A POSTROUTING -m owner ! --uid-owner 7 -j MARK --or-mark 0x10
-A POSTROUTING -m length --length 48:80 -j MARK --or-mark 0x20
-A POSTROUTING -m dscp --dscp 0x12 -j MARK --or-mark 0x80
-A POSTROUTING -m hl --hl-lt 64 -j MARK --or-mark 0x200
COMMIT
"),
    Rules::v4(
        "text",
        "*mangle
-A PREROUTING -m string --algo bm --string abc -j MARK --or-mark 0x1
-A PREROUTING -m string --algo kmp --hex-string |0000| --from 28 -j MARK --or-mark 0x2
-A PREROUTING -m string --algo bm ! --string abc --to 40 -j MARK --or-mark 0x4
COMMIT
",
    ),
];

pub const CONNECTIONS: &[Rules] = &[
    Rules::v4(
        "states",
        "*mangle
-A PREROUTING -m conntrack --ctstate NEW -j MARK --or-mark 0x1
-A PREROUTING -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x2
-A PREROUTING -m conntrack --ctstate RELATED -j MARK --or-mark 0x4
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --or-mark 0x8
-A PREROUTING -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x10
-A PREROUTING -m conntrack ! --ctstate NEW,INVALID -j MARK --or-mark 0x20
-A PREROUTING -m state --state NEW,RELATED -j MARK --or-mark 0x40
-A OUTPUT -m conntrack --ctstate NEW -j MARK --or-mark 0x100
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x200
-A OUTPUT -m conntrack --ctstate RELATED -j MARK --or-mark 0x400
-A OUTPUT -m conntrack --ctstate INVALID -j MARK --or-mark 0x800
-A OUTPUT -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x1000
-A OUTPUT -m conntrack --ctstate DNAT -j MARK --or-mark 0x2000
COMMIT
",
    )
    .v6("*mangle
-A PREROUTING -m conntrack --ctstate NEW -j MARK --or-mark 0x1
-A PREROUTING -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x2
-A PREROUTING -m conntrack --ctstate RELATED -j MARK --or-mark 0x4
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --or-mark 0x8
-A PREROUTING -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x10
-A OUTPUT -m conntrack --ctstate NEW -j MARK --or-mark 0x100
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x200
-A OUTPUT -m conntrack --ctstate RELATED -j MARK --or-mark 0x400
-A OUTPUT -m conntrack --ctstate INVALID -j MARK --or-mark 0x800
-A OUTPUT -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x1000
COMMIT
"),
    Rules::v4(
        "what else a connection says",
        "*mangle
-A PREROUTING -m conntrack --ctproto 6 -j MARK --or-mark 0x1
-A PREROUTING -m conntrack ! --ctorigsrc 10.99.0.0/16 -j MARK --or-mark 0x2
-A PREROUTING -m conntrack --ctorigdst 10.65.0.2 -j MARK --or-mark 0x4
-A PREROUTING -m conntrack --ctreplsrc 10.65.0.2 -j MARK --or-mark 0x8
-A PREROUTING -m conntrack ! --ctrepldst 10.99.0.9 -j MARK --or-mark 0x10
-A PREROUTING -m conntrack --ctorigsrcport 1000:40000 -j MARK --or-mark 0x20
-A PREROUTING -m conntrack --ctorigdstport 80 -j MARK --or-mark 0x40
-A PREROUTING -m conntrack ! --ctreplsrcport 80 -j MARK --or-mark 0x80
-A PREROUTING -m conntrack --ctdir ORIGINAL -j MARK --or-mark 0x100
-A PREROUTING -m conntrack --ctdir REPLY -j MARK --or-mark 0x200
-A PREROUTING -m conntrack --ctstatus ASSURED,SEEN_REPLY -j MARK --or-mark 0x400
-A PREROUTING -m conntrack ! --ctstatus CONFIRMED -j MARK --or-mark 0x800
-A PREROUTING -m conntrack --ctstate INVALID --ctproto 17 -j MARK --or-mark 0x1000
-A INPUT -m conntrack --ctstatus CONFIRMED -j MARK --or-mark 0x2000
COMMIT
",
    ),
    Rules::v4(
        "leaving packets alone",
        "*raw
-A PREROUTING -p udp -j CT --notrack
-A PREROUTING -p tcp --dport 80 -j NOTRACK
-A OUTPUT -p icmp -j CT --notrack
-A OUTPUT -p tcp -j CT --zone 5
COMMIT
*mangle
-A PREROUTING -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x1
-A OUTPUT -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x2
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x4
-A POSTROUTING -m conntrack --ctstate NEW -j MARK --or-mark 0x8
COMMIT
",
    ),
    Rules::v4(
        "a connection's mark",
        "*mangle
-A PREROUTING -j CONNMARK --set-xmark 0x5/0xff
-A PREROUTING -p tcp -j MARK --set-mark 0xf0
-A PREROUTING -p tcp -j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0x0f
-A FORWARD -m connmark --mark 0x5/0xf -j MARK --or-mark 0x100
-A FORWARD -m connmark ! --mark 0x5/0xf -j MARK --or-mark 0x200
-A POSTROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff
COMMIT
",
    ),
];

pub const SETS: &[Rules] = &[
    Rules::v4(
        "networks and addresses",
        "*mangle
-A PREROUTING -m set --match-set nets src -j MARK --or-mark 0x1
-A PREROUTING -m set ! --match-set nets dst -j MARK --or-mark 0x2
-A PREROUTING -m set --match-set nets src --return-nomatch -j MARK --or-mark 0x4
-A PREROUTING -m set --match-set ips src -j MARK --or-mark 0x8
-A PREROUTING -m set --match-set masked dst -j MARK --or-mark 0x10
-A PREROUTING -m set --match-set both src -j MARK --or-mark 0x20
-A PREROUTING -m set --match-set map dst -j MARK --or-mark 0x40
COMMIT
",
    )
    .v6("*mangle
-A PREROUTING -m set --match-set nets6 src -j MARK --or-mark 0x1
-A PREROUTING -m set ! --match-set nets6 dst -j MARK --or-mark 0x2
-A PREROUTING -m set --match-set both6 src -j MARK --or-mark 0x8
COMMIT
")
    .sets(
        "create nets hash:net family inet hashsize 1024 maxelem 65536
add nets 10.99.0.0/16
add nets 10.99.0.0/24 nomatch
add nets 10.99.0.9
add nets 192.168.0.0/16
create nets6 hash:net family inet6 hashsize 1024 maxelem 65536
add nets6 fd00:99::/32
add nets6 fd00:99::9 nomatch
create ips hash:ip family inet hashsize 1024 maxelem 65536
add ips 10.65.0.2
add ips 10.99.0.9
create masked hash:ip family inet hashsize 1024 maxelem 65536 netmask 24
add masked 10.65.0.0
create map bitmap:ip range 192.168.7.0-192.168.7.255
add map 192.168.7.1
add map 192.168.7.128
create both list:set size 8
add both ips
add both nets
create both6 list:set size 8
add both6 nets
add both6 nets6
",
    ),
    Rules::v4(
        "services and pairs",
        "*mangle
-A PREROUTING -m set --match-set services dst,dst -j MARK --or-mark 0x1
-A PREROUTING -m set --match-set services src,dst -j MARK --or-mark 0x2
-A PREROUTING -m set ! --match-set services dst -j MARK --or-mark 0x4
-A PREROUTING -m set --match-set netport dst,dst -j MARK --or-mark 0x8
-A PREROUTING -m set --match-set three src,dst,dst -j MARK --or-mark 0x10
-A PREROUTING -m set --match-set triple src,dst,dst -j MARK --or-mark 0x20
-A PREROUTING -m set --match-set links src,src -j MARK --or-mark 0x40
-A PREROUTING -m set --match-set ports dst -j MARK --or-mark 0x100
-A FORWARD -m set --match-set links src,dst -j MARK --or-mark 0x200
COMMIT
",
    )
    .sets(
        "create services hash:ip,port family inet hashsize 1024 maxelem 65536
add services 10.65.0.2,tcp:80
add services 10.65.0.2,udp:53
add services 10.65.0.2,icmp:8/0
add services 192.168.7.1,sctp:53
add services 192.168.7.1,47:0
create netport hash:net,port family inet hashsize 1024 maxelem 65536
add netport 10.65.0.0/16,tcp:80
add netport 10.65.0.0/24,tcp:80 nomatch
add netport 10.65.0.2,tcp:80
create three hash:ip,port,ip family inet hashsize 1024 maxelem 65536
add three 10.99.0.9,tcp:80,10.65.0.2
create triple hash:ip,port,net family inet hashsize 1024 maxelem 65536
add triple 10.99.0.9,udp:53,10.65.0.0/16
add triple 10.99.0.9,udp:53,10.65.0.2 nomatch
create links hash:net,iface family inet hashsize 1024 maxelem 65536
add links 10.99.0.0/16,eth0
add links 10.99.0.0/24,tunl0
add links 10.65.0.2,cali1
create ports bitmap:port range 50-100
add ports 53
add ports 80
",
    ),
];

pub const TRANSLATION: &[Rules] = &[
    Rules::v4(
        "destinations",
        "*nat
-A PREROUTING -d 192.168.7.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.65.0.2:8080
-A PREROUTING -d 192.168.7.5/32 -j DNAT --to-destination 10.98.0.1
-A PREROUTING -d 10.98.0.0/16 -p udp -j DNAT --to-destination 10.65.0.2-10.65.0.4
-A PREROUTING -p udp -m udp --dport 1000:2000 -j DNAT --to-destination :53
-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 8443
-A OUTPUT -d 10.99.0.0/16 -p tcp -j DNAT --to-destination 10.65.0.2
-A OUTPUT -d 10.98.0.0/16 -j DNAT --to-destination 192.168.7.1
-A OUTPUT -p udp -m udp --dport 53 -j REDIRECT
-A OUTPUT -d 10.65.0.2/32 -p icmp -j DNAT --to-destination 10.3.0.1
COMMIT
*filter
-A INPUT -m conntrack --ctstate DNAT -j MARK --or-mark 0x1
-A FORWARD -m conntrack --ctstate DNAT -j MARK --or-mark 0x2
-A OUTPUT -m conntrack --ctstate DNAT -j MARK --or-mark 0x4
-A FORWARD -m conntrack --ctorigdst 192.168.7.1 -j MARK --or-mark 0x8
COMMIT
",
    )
    .v6("*nat
-A PREROUTING -d 2001:db8:7::1/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:65::2]:8080
-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 8443
-A OUTPUT -d fd00:99::/32 -p udp -j DNAT --to-destination fd00:65::2
-A OUTPUT -p tcp -m tcp --dport 53 -j REDIRECT
COMMIT
"),
    Rules::v4(
        "sources",
        "*nat
-A INPUT -p icmp -j SNAT --to-source 10.99.0.77
-A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 192.168.7.5
-A POSTROUTING -o eth0 -p udp -j SNAT --to-source 192.168.7.5:2000-2003
-A POSTROUTING -o tunl0 -j MASQUERADE
-A POSTROUTING -o eth1 -p udp -j MASQUERADE --to-ports 3000-3001
-A POSTROUTING -o eth1 -p tcp -j MASQUERADE --random-fully
-A POSTROUTING -o cali1 -s 192.168.7.0/24 -j MASQUERADE
-A POSTROUTING -s 10.98.0.0/16 -j NETMAP --to 10.97.0.0/16
COMMIT
*mangle
-A POSTROUTING -m conntrack --ctstate SNAT -j MARK --or-mark 0x1
COMMIT
",
    )
    .v6("*nat
-A POSTROUTING -o eth0 -j MASQUERADE
-A POSTROUTING -o eth1 -j SNAT --to-source fd00:16::5
-A POSTROUTING -o cali1 -s 2001:db8:7::/64 -j MASQUERADE
-A PREROUTING -d fd00:98::/32 -j NETMAP --to fd00:99::/32
COMMIT
"),
];

pub const REJECTIONS: &[Rules] = &[
    Rules::v4(
        "errors",
        "*filter
-A INPUT -p udp -j REJECT
-A INPUT -p tcp -j REJECT --reject-with icmp-host-prohibited
-A INPUT -p sctp -j REJECT --reject-with icmp-net-unreachable
-A FORWARD -p udp -j REJECT --reject-with icmp-admin-prohibited
-A FORWARD -p tcp -j REJECT --reject-with icmp-host-unreachable
-A FORWARD -j REJECT --reject-with icmp-proto-unreachable
-A OUTPUT -p udp -j REJECT --reject-with icmp-net-prohibited
-A OUTPUT -p 47 -j REJECT
COMMIT
",
    )
    .v6("*filter
-A INPUT -p udp -j REJECT
-A INPUT -p tcp -j REJECT --reject-with icmp6-no-route
-A FORWARD -p udp -j REJECT --reject-with icmp6-adm-prohibited
-A FORWARD -p tcp -j REJECT --reject-with icmp6-addr-unreachable
-A FORWARD -j REJECT --reject-with icmp6-policy-fail
-A OUTPUT -p udp -j REJECT --reject-with icmp6-reject-route
COMMIT
"),
    Rules::v4(
        "resets",
        "*filter
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT -p tcp -m tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset
COMMIT
*mangle
-A OUTPUT -m conntrack --ctstate RELATED -j MARK --or-mark 0x1
-A OUTPUT -m conntrack --ctstate INVALID -j MARK --or-mark 0x2
COMMIT
",
    )
    .v6("*filter
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT -p tcp -m tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset
COMMIT
"),
    Rules::v4(
        "answers to translated packets",
        "*nat
-A PREROUTING -p tcp -j DNAT --to-destination 10.65.0.2
-A PREROUTING -p udp -j DNAT --to-destination 10.98.0.5
-A POSTROUTING -j MASQUERADE
-A OUTPUT -p udp -j DNAT --to-destination 10.65.0.2
COMMIT
*filter
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
-A FORWARD -p udp -j REJECT
-A OUTPUT -p udp -j REJECT
COMMIT
",
    ),
];

pub const HEADERS: &[Rules] = &[Rules::v4(
    "hops and classes",
    "*mangle
-A PREROUTING -p tcp -j TTL --ttl-set 5
-A PREROUTING -p udp -j TTL --ttl-dec 63
-A PREROUTING -p icmp -j TTL --ttl-inc 200
-A OUTPUT -p udp -j DSCP --set-dscp 0x2e
-A OUTPUT -p tcp -j TOS --set-tos 0x10/0x3f
-A FORWARD -p tcp -j TOS --set-tos 0x04/0x00
-A POSTROUTING -p icmp -j DSCP --set-dscp 0x01
-A OUTPUT -p sctp -j MARK --set-mark 0x5
COMMIT
",
)
.v6("*mangle
-A PREROUTING -p tcp -j HL --hl-set 5
-A PREROUTING -p udp -j HL --hl-dec 63
-A OUTPUT -p udp -j DSCP --set-dscp 0x2e
-A OUTPUT -p tcp -j HL --hl-inc 5
-A FORWARD -p tcp -j TOS --set-tos 0x10/0x3f
COMMIT
")];

pub const PIECES: &[Rules] = &[Rules::v4(
    "pieces",
    "*nat
-A POSTROUTING -o cali1 -j MASQUERADE
COMMIT
*mangle
-A INPUT -m conntrack --ctstate INVALID -j MARK --or-mark 0x1
-A FORWARD -m conntrack --ctstate INVALID -j MARK --or-mark 0x1
-A FORWARD -p udp -m udp --dport 80 -j MARK --or-mark 0x2
COMMIT
*filter
-A INPUT -p udp -j REJECT
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
-A FORWARD ! -p 47 -j REJECT
COMMIT
",
)
.v6("*mangle
-A INPUT -m conntrack --ctstate INVALID -j MARK --or-mark 0x1
-A FORWARD -m conntrack --ctstate INVALID -j MARK --or-mark 0x1
-A FORWARD -p udp -m udp --dport 80 -j MARK --or-mark 0x2
COMMIT
*filter
-A INPUT -p udp -j REJECT
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
-A FORWARD ! -p 47 -j REJECT
COMMIT
")];
