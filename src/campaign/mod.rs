//! Many packets through many arms, every core busy.
