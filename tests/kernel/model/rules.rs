//! One ruleset on which model and kernel are compared.

/// One ruleset, about one subject.
pub struct Rules {
    /// What it is about.
    pub about: &'static str,
    /// The node that it is on.
    pub node: &'static str,
    /// iptables-save text.
    pub v4: &'static str,
    /// ip6tables-save text.
    pub v6: &'static str,
    /// `ipset save` text.
    pub sets: &'static str,
}

impl Rules {
    pub const fn v4(about: &'static str, v4: &'static str) -> Self {
        Self {
            about,
            node: super::rulesets::NODE,
            v4,
            v6: "",
            sets: "",
        }
    }

    pub const fn v6(mut self, v6: &'static str) -> Self {
        self.v6 = v6;
        self
    }

    pub const fn on(mut self, node: &'static str) -> Self {
        self.node = node;
        self
    }

    pub const fn sets(mut self, sets: &'static str) -> Self {
        self.sets = sets;
        self
    }

    /// The seed of its packets: each ruleset has packets of its own.
    pub fn seed(&self) -> u64 {
        let bytes = self.about.bytes().chain(self.v4.bytes());
        bytes.fold(7, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte))
    }
}
