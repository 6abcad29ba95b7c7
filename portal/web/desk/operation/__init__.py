"""What operators keep an eye on: failed jobs, mails that did not go out, parked renewals."""
