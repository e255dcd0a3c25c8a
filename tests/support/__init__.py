"""What tests share: shops, services and runs made from real files."""
