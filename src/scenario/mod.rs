//! One whole case in YAML: a node, its rules and sets, packets.
