"""The wallet: credits bought, filled up automatically, used, and what they were used for."""
