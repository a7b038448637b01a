"""What happened: one gapless log per kelurahan, and the record of what admins did."""
