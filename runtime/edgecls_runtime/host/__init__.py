"""What the machine under a station goes through: heat, memory, disk, power, clock, sleep."""
