"""What the API's views of all apps stand on."""
