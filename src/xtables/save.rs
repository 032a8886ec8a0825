//! iptables-save and ip6tables-save text, read and written.
