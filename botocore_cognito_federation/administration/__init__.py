"""The administrator's side: what an identity pool needs in an AWS account, compared with what is there."""
