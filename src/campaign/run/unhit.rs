//! Shapes of rules that no packet is counted for, whatever is asked, and why.
//!
//! A campaign that has never hit a shape has a hole, or the shape is one of these. One that is hit all the
//! same shows that the reason is wrong: the report says so.

use std::collections::BTreeSet;

use crate::diff::shape::Shape;
use crate::render::Layout;

/// Shapes that begin and end so, and why none of their rules is hit.
struct Unhit {
    begins: &'static str,
    ends: &'static str,
    why: &'static str,
}

const LEADS_TO_NO_WORKLOAD: &str =
    "this branch is for interfaces that begin so, and no workload's interface does";

/// Those of Felix of August 2026.
const MODERN: &[Unhit] = &[
    Unhit {
        begins: "mangle cali-fh-*: RELATED+ESTABLISHED -> ",
        ends: "",
        why: "cali-PREROUTING takes what belongs to a connection before it asks any endpoint",
    },
    Unhit {
        begins: "mangle cali-th-*: INVALID -> ",
        ends: "",
        why: "cali-POSTROUTING asks endpoints about what has a translated destination alone, and what is \
              INVALID belongs to no connection that could say so",
    },
    Unhit {
        begins: "mangle cali-to-host-endpoint-e: out interfaces -> ",
        ends: "RETURN",
        why: LEADS_TO_NO_WORKLOAD,
    },
    Unhit {
        begins: "mangle cali-to-host-endpoint-w: out interfaces -> ",
        ends: "RETURN",
        why: LEADS_TO_NO_WORKLOAD,
    },
    Unhit {
        begins: "nat cali-nat-outgoing: ",
        ends: " -> RETURN",
        why: "the rule before it asks the same and translates, with which the table ends",
    },
    Unhit {
        begins: "filter cali-fw-*: not mark -> ",
        ends: "",
        why: BEYOND_THE_RATE,
    },
    Unhit {
        begins: "filter cali-tw-*: not mark -> ",
        ends: "",
        why: BEYOND_THE_RATE,
    },
];

const BEYOND_THE_RATE: &str = "whether a limit of packets has room is left to chance; both ways are \
                               compared, and the one on which it has is counted";

fn known(layout: Layout) -> &'static [Unhit] {
    match layout {
        Layout::Seed => &[],
        Layout::Modern => MODERN,
    }
}

/// Why no rule of a shape is ever hit in a layout, where that is known.
#[must_use]
pub fn why(layout: Layout, shape: &Shape) -> Option<&'static str> {
    let text = shape.as_str();
    let fits = |one: &&Unhit| text.starts_with(one.begins) && text.ends_with(one.ends);
    known(layout).iter().find(fits).map(|one| one.why)
}

/// Every reason that is known in a layout.
#[must_use]
pub fn reasons(layout: Layout) -> BTreeSet<&'static str> {
    known(layout).iter().map(|one| one.why).collect()
}
