//! The chain machine: what netfilter does with a packet, rule by rule.
