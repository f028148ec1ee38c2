"""What commands of the command line do that is more than to ask and to print."""
