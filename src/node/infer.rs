//! A node for rules that came without one: inferred from the rules, each assumption said.
