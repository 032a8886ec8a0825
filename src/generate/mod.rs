//! Makers of packets: aimed at a ruleset, and random.
