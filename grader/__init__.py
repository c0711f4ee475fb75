"""The instructor's side of reward-lab: build lessons, take submissions in, grade them."""
