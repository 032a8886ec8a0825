//! The rules that the kernel says a packet matched: told one by one, and counted.

use calidiff::journey::Step;

use super::*;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("journeys::a_trace_names_the_rules", traces),
        trial("journeys::a_trace_follows_lo", trace_over_loopback),
        trial("journeys::rules_count_their_packets", hits),
    ]
}

/// A trace, a line a step.
fn told(steps: &[Step]) -> Vec<String> {
    let line = |step: &Step| {
        let Step {
            hook, table, chain, ..
        } = step;
        let rule = step.rule.map_or(String::new(), |rule| format!(" {rule}"));
        let (did, before, after) = (&step.did, step.before, step.after);
        format!("{hook} {table}/{chain}{rule}: {did} {before}-{after}")
    };
    steps.iter().map(line).collect()
}

fn traces() -> Outcome {
    let rules = "*mangle
:PREROUTING ACCEPT
:work - [0:0]
-A PREROUTING -p udp -j MARK --set-mark 0x9
-A PREROUTING -p tcp -m comment --comment jumps -j work
-A PREROUTING -j MARK --or-mark 0x4
-A work -j MARK --or-mark 0x1
-A work -p udp -j DROP
-A work -p tcp -j MARK --or-mark 0x2
COMMIT
*filter
-A FORWARD -p tcp --dport 80 -j DROP
COMMIT
";
    on_both(rules, rules, |room| {
        let packets = [
            tcp(eth0(), "10.0.0.9", "10.65.0.2"),
            tcp(eth0(), "fd00::9", "fd65::2"),
        ];
        for packet in packets.map(|packet| marked(packet, 0x100)) {
            let (journey, steps) = room.trace(&packet, &[])?;
            assert_eq!(journey.fate, Fate::Dropped(entry(Hook::Forward)));
            let expected = [
                "PREROUTING mangle/PREROUTING 1: jump work 0x100-0x100",
                "PREROUTING mangle/work 0: MARK 0x100-0x101",
                "PREROUTING mangle/work 2: MARK 0x101-0x103",
                "PREROUTING mangle/work: return 0x103-0x103",
                "PREROUTING mangle/PREROUTING 2: MARK 0x103-0x107",
                "PREROUTING mangle/PREROUTING: policy ACCEPT 0x107-0x107",
                "FORWARD mangle/FORWARD: policy ACCEPT 0x107-0x107",
                "FORWARD filter/FORWARD 0: DROP 0x107-0x107",
            ];
            // iptables-nft makes only the chains that the text names.
            let empty_chain = "FORWARD mangle/FORWARD: policy ACCEPT 0x107-0x107";
            let without = |line: &&str| *line != empty_chain;
            let told = told(&steps);
            let told: Vec<&str> = told.iter().map(String::as_str).filter(without).collect();
            let expected: Vec<&str> = expected.into_iter().filter(without).collect();
            assert_eq!(told, expected);
        }
        // Tracing is off again, and did no harm.
        let journeys = fire(room, vec![tcp(eth0(), "10.0.0.9", "10.65.0.2")])?;
        assert_eq!(journeys[0].fate, Fate::Dropped(entry(Hook::Forward)));
        Ok(())
    })
}

fn trace_over_loopback() -> Outcome {
    let rules = "*raw\n-A OUTPUT -p tcp -j MARK --set-mark 0x1\n\
                 -A PREROUTING -p tcp -j MARK --or-mark 0x2\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let (journey, steps) = room.trace(&tcp(Origin::Node, "10.0.0.1", "10.0.0.1"), &[])?;
        assert_eq!(journey.fate, Fate::Local);
        let expected = [
            "OUTPUT raw/OUTPUT 0: MARK 0x0-0x1",
            "OUTPUT raw/OUTPUT: policy ACCEPT 0x1-0x1",
            "PREROUTING raw/PREROUTING 0: MARK 0x1-0x3",
            "PREROUTING raw/PREROUTING: policy ACCEPT 0x3-0x3",
        ];
        assert_eq!(told(&steps), expected);
        Ok(())
    })
}

fn hits() -> Outcome {
    let rules = "*filter\n-A FORWARD -p tcp -j ACCEPT\n-A FORWARD -p udp -j DROP\n\
                 -A FORWARD -j ACCEPT\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let packets = vec![
            tcp(eth0(), "10.0.0.9", "10.65.0.2"),
            tcp(eth0(), "10.0.0.9", "10.65.0.2"),
            udp(eth0(), "10.0.0.9", "10.65.0.2"),
            udp(eth0(), "fd00::9", "fd65::2"),
        ];
        fire(room, packets)?;
        let hits: Vec<u64> = room.hits()?.into_iter().map(|(_, count)| count).collect();
        assert_eq!(hits, [2, 1, 0, 0, 1, 0]);
        Ok(())
    })
}
