"""Tests of how calls are declared, parsed and answered."""
