//! Targets that change a packet or its connection and let it go on.

use super::conntrack::Tracking;
use super::traveller::Traveller;
use crate::xtables::target::{Connmark, HopsChange, TrafficClass};

/// `connmark_tg` in xt_connmark.c: nothing without a connection.
pub(super) fn connmark(change: Connmark, packet: &mut Traveller<'_>) {
    let packet_mark = packet.mark;
    let Some(link) = packet.tracking.link_mut() else {
        return;
    };
    let connection_mark = link.entry.mark;
    match change {
        Connmark::Set(xmark) => {
            link.entry.mark = connection_mark.xmark(xmark.value, xmark.mask);
        }
        Connmark::Save {
            packet_mask,
            connection_mask,
        } => {
            link.entry.mark = connection_mark.xmark(packet_mark.0 & packet_mask, connection_mask);
        }
        Connmark::Restore {
            packet_mask,
            connection_mask,
        } => {
            packet.mark = packet_mark.xmark(connection_mark.0 & connection_mask, packet_mask);
        }
    }
}

/// `xt_ct_target` in xt_CT.c: only a packet that nobody has classified yet.
pub(super) fn notrack(packet: &mut Traveller<'_>) {
    if packet.tracking == Tracking::None {
        packet.tracking = Tracking::Untracked;
    }
}

/// `-j CT --zone`: connections of the default zone are out of sight. A packet that has one over `lo`
/// keeps it.
pub(super) fn zone(packet: &mut Traveller<'_>) {
    if packet.tracking == Tracking::None {
        packet.zoned = true;
    }
}

/// `dscp_tg` and `tos_tg` in xt_DSCP.c.
pub(super) fn traffic_class(change: TrafficClass, packet: &mut Traveller<'_>) {
    packet.traffic_class = match change {
        TrafficClass::Dscp(dscp) => packet.traffic_class & 0x03 | dscp << 2,
        TrafficClass::Tos { value, mask } => packet.traffic_class & !mask ^ value,
    };
}

/// `ttl_tg` and `hl_tg6` in xt_HL.c.
pub(super) fn hops(change: HopsChange, packet: &mut Traveller<'_>) {
    packet.hops = match change {
        HopsChange::Set(hops) => hops,
        HopsChange::Increase(by) => packet.hops.saturating_add(by),
        HopsChange::Decrease(by) => packet.hops.saturating_sub(by),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mark::Mark;

    proptest! {
        // The four spellings of `-j MARK` as iptables translates them (libxt_MARK.c).
        #[test]
        fn xmark_is_every_spelling(mark: u32, value: u32, mask: u32) {
            let start = Mark(mark);
            prop_assert_eq!(start.xmark(value, u32::MAX).0, value);
            prop_assert_eq!(start.xmark(0, !value).0, mark & value);
            prop_assert_eq!(start.xmark(value, value).0, mark | value);
            prop_assert_eq!(start.xmark(value, 0).0, mark ^ value);
            prop_assert_eq!(start.xmark(value, value | mask).0, mark & !(value | mask) | value);
        }
    }
}
