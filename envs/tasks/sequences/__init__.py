"""Sequences of symbols: repeat, reverse, bind, chain, count."""
