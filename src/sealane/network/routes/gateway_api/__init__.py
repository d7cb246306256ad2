"""The Gateway API as a front end of the routing model. It knows no other front end."""
